#!/usr/bin/env python3
"""Reads a file of stacks by docs/formats/allocations.md alone and prints its sums as JSON.

Usage: read_stacks.py FILE
"""
import json
import mmap
import struct
import sys

NONE = 0xffffffff


def main():
    with open(sys.argv[1], "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def get(layout, offset):
        return struct.unpack_from("=" + layout, data, offset)

    assert get("Q", 0)[0] == 0x314b545343435243 and get("I", 8)[0] == 1
    assert len(data) == get("Q", 16)[0] == 171978752
    stacks_used, tallies_used, _, maps_used = get("4I", 80)
    raw_used, = get("Q", 96)

    def owner_name(owner):
        return data[4096 + 32 * owner:4096 + 32 * (owner + 1)].split(b"\0")[0].decode()

    owners = {}
    frames = 0
    raw_bytes = 0
    for number in range(stacks_used):
        at = 4206592 + 64 * number
        owner, count, first_pc, maps, raw, newest = get("6I", at + 8)
        samples, freed, weighted = 0, 0, [0.0] * 8
        tally = newest if number >= 256 else number
        while tally != 0 or number < 256:
            assert tally < tallies_used
            place = 12595200 + 192 * tally
            assert get("I", place)[0] == number
            samples += get("Q", place + 16)[0]
            freed += get("Q", place + 32)[0] + get("Q", place + 64)[0]
            weighted = [a + b for a, b in zip(weighted, get("8d", place + 128))]
            if number < 256:
                break
            tally, = get("I", place + 12)
        if samples == 0:
            continue
        sums = owners.setdefault(owner_name(owner), [0] * 10)
        for i, value in enumerate([samples, freed, *weighted]):
            sums[i] += value
        pcs = get(f"{count}Q", 62926848 + 8 * first_pc)
        assert 0 not in pcs
        frames += count
        if number >= 256 and raw != NONE:
            pc, _, _, of_stack, size = get("3Q2I", 104869888 + 16 * raw)
            assert of_stack == number and size <= 16384 and 16 * raw + 32 + size <= raw_used
            assert count == 0 or pc == pcs[0]
            raw_bytes += size
        assert maps == NONE or maps < maps_used
    offset, size = get("2I", 144 + 8 * (maps_used - 1))
    last_maps = data[96481280 + offset:96481280 + offset + size].decode()

    blocks_ended = 0.0
    for row in range(8192):
        page = row // 8
        if not get("Q", 656 + 8 * (page // 64))[0] >> (page % 64) & 1:
            continue
        one = get("64Q", 12288 + 512 * row)
        if one[0] != 0:
            blocks_ended += sum(one[1:]) / 65536
    print(json.dumps({"mean_bytes": get("Q", 24)[0], "owners": owners, "frames": frames,
                      "raw_bytes": raw_bytes, "maps": maps_used, "last_maps": last_maps,
                      "blocks_ended": blocks_ended}))


main()
