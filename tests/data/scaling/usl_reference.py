"""Least-squares fits of the Universal Scalability Law by Gauss-Newton steps in decimal arithmetic
with 60 digits: no code and no library in common with the fits that it checks.

usage: usl_reference.py tests/data/stats OUT"""
import json
import sys
from decimal import Decimal, getcontext

getcontext().prec = 60
DATA_SETS = ("usl_published", "usl_synthetic")


def solve(matrix, right):
    """Gauss and Jordan, with the largest pivot of each column."""
    size = len(right)
    rows = [row[:] + [value] for row, value in zip(matrix, right)]
    for i in range(size):
        pivot = max(range(i, size), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for r in range(size):
            if r != i:
                factor = rows[r][i] / rows[i][i]
                rows[r] = [x - factor * y for x, y in zip(rows[r], rows[i])]
    return [rows[i][size] / rows[i][i] for i in range(size)]


def parts(n, x, free, at):
    """Derivatives by the free parameters, and residuals."""
    gamma, alpha, beta = at
    derivatives, residuals = [], []
    for load, throughput in zip(n, x):
        divisor = 1 + alpha * (load - 1) + beta * load * (load - 1)
        slope = -gamma * load / divisor / divisor
        every = [load / divisor, slope * (load - 1), slope * load * (load - 1)]
        derivatives.append([every[i] for i in free])
        residuals.append(throughput - gamma * load / divisor)
    return derivatives, residuals


def squares(n, x, w, free, at):
    return sum(weight * r * r for weight, r in zip(w, parts(n, x, free, at)[1]))


def normal_matrix(derivatives, w):
    size = range(len(derivatives[0]))
    return [[sum(weight * row[i] * row[j] for weight, row in zip(w, derivatives)) for j in size]
            for i in size]


def fit(n, x, w, free, at):
    for _ in range(400):
        derivatives, residuals = parts(n, x, free, at)
        right = [sum(weight * row[i] * r for weight, row, r in zip(w, derivatives, residuals))
                 for i in range(len(free))]
        step = solve(normal_matrix(derivatives, w), right)
        before = squares(n, x, w, free, at)
        factor = Decimal(1)
        while True:
            moved = at[:]
            for i, s in zip(free, step):
                moved[i] = at[i] + factor * s
            if squares(n, x, w, free, moved) <= before or factor < Decimal("1e-45"):
                break
            factor /= 2
        done = all(abs(factor * s) <= Decimal("1e-40") * (abs(at[i]) + Decimal("1e-30"))
                   for i, s in zip(free, step))
        at = moved
        if done:
            break
    rss = squares(n, x, w, free, at)
    variance = rss / (len(n) - 3)
    matrix = normal_matrix(parts(n, x, free, at)[0], w)
    size = range(len(free))
    inverse = [solve(matrix, [Decimal(int(i == j)) for i in size]) for j in size]
    return at, rss, variance.sqrt(), [(inverse[i][i] * variance).sqrt() for i in size]


def case(data, weighted):
    n = [Decimal(str(v)) for v in data["n"]]
    x = [Decimal(str(v)) for v in data["x"]]
    w = [1 / (v * v) if weighted else Decimal(1) for v in x]
    start = [max(a / b for a, b in zip(x, n)), Decimal("0.01"), Decimal("0.0001")]
    at, rss, sigma, errors = fit(n, x, w, [0, 1, 2], start)
    if at[2] < 0:
        at, rss, sigma, errors = fit(n, x, w, [0, 1], start[:2] + [Decimal(0)])
    assert at[1] >= 0 and at[2] >= 0
    expect = dict(zip(("gamma", "alpha", "beta"), map(float, at)))
    if at[2] > 0:
        expect["n_max"] = float(((1 - at[1]) / at[2]).sqrt())
    # Without noise they are the rounding of the data, which a double does not hold.
    if rss > Decimal("1e-6") * sum(w):
        expect.update(rss=float(rss), sigma=float(sigma))
        if len(errors) == 3:
            expect["se"] = list(map(float, errors))
    return {"name": data["name"], "n": data["n"], "x": data["x"],
            "weights": "1/x^2" if weighted else "1", "expect": expect, "rtol": 1e-6}


def main():
    source, target = sys.argv[1:]
    cases = []
    for name in DATA_SETS:
        with open(f"{source}/{name}.json") as file:
            for data in json.load(file)["cases"]:
                cases += [case(data, False), case(data, True)]
    with open(target, "w") as file:
        json.dump({"schema": "crucible-stat-fixture/1",
                   "about": "Fits of the Universal Scalability Law, plain and weighted.",
                   "made_with": {"usl_reference.py": "Gauss-Newton, 60 decimal digits"},
                   "notes": [], "cases": cases}, file, indent=1)
        file.write("\n")


main()
