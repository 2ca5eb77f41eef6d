"""decode_pprof.py FILE: prints a pprof profile, decoded from its bytes alone, a line for each part.

Knows only github.com/google/pprof/proto/profile.proto; exits with a traceback where FILE is not so.
"""
import gzip
import sys


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data):
    """{number: [values]}: integers, or bytes."""
    found, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 2:
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
            assert len(value) == length, "cut off"
        else:
            raise ValueError(f"wire type {key & 7} is not in this format")
        found.setdefault(key >> 3, []).append(value)
    return found


def packed(values):
    numbers = []
    for data in values:
        at = 0
        while at < len(data):
            number, at = varint(data, at)
            numbers.append(number - (1 << 64) if number >= 1 << 63 else number)
    return numbers


def one(message, number, default=0):
    values = message.get(number, [default])
    assert len(values) == 1, f"field {number} stands there {len(values)} times"
    return values[0]


profile = fields(gzip.decompress(open(sys.argv[1], "rb").read()))
strings = [text.decode("utf-8") for text in profile[6]]
assert strings[0] == "" and len(set(strings)) == len(strings)


def text(message, number):
    return strings[one(message, number)]


def value_type(data):
    message = fields(data)
    return f"{text(message, 1)}/{text(message, 2)}"


functions = {}
for data in profile.get(5, []):
    function = fields(data)
    functions[one(function, 1)] = function
mappings = {}
for data in profile.get(3, []):
    mapping = fields(data)
    mappings[one(mapping, 1)] = mapping
    known = "".join("1" if one(mapping, number) else "0" for number in (7, 8, 9, 10))
    print(f"mapping {text(mapping, 5)} {one(mapping, 2):x}-{one(mapping, 3):x}"
          f" offset {one(mapping, 4):x} build id {text(mapping, 6)} knows {known}")
locations = {}
for data in profile.get(4, []):
    location = fields(data)
    lines = []
    for line in map(fields, location.get(4, [])):
        function = functions[one(line, 1)]
        lines.append(f"{text(function, 2)} ({text(function, 3)}) {text(function, 4)}"
                     f":{one(line, 2)} from {one(function, 5)}")
    mapping = one(location, 2)
    place = text(mappings[mapping], 5) if mapping else "none"
    locations[one(location, 1)] = f"{one(location, 3):x} in {place}: " + " < ".join(lines)
assert 0 not in locations and 0 not in functions and 0 not in mappings
for data in profile.get(2, []):
    sample = fields(data)
    labels = [f"{text(label, 1)}={text(label, 2)!r}" for label in map(fields, sample.get(3, []))]
    print(f"sample {packed(sample[2])} {' '.join(labels)}".rstrip())
    for number in packed(sample.get(1, [])):
        print(f"  {locations[number]}")
print("kinds", " ".join(map(value_type, profile.get(1, []))), "first", text(profile, 14))
print("period", one(profile, 12), value_type(one(profile, 11)))
print("time", one(profile, 9), "for", one(profile, 10))
for number in packed(profile.get(13, [])):
    print("comment", strings[number])
