"""What stands in the memory of a running process, whoever has forgotten it there."""

import re

_LINE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r\S* \S+ \S+ \S+ *(.*)")
# The kernel's own pages, which cannot be read this way.
_NO_MEMORY = ("[vvar]", "[vvar_vclock]", "[vsyscall]")


def count(pid, word):
    """How often bytes stand in a process's memory; PermissionError if one may not look."""
    found = 0
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        ranges = [match.groups() for match in map(_LINE.match, maps) if match]
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for start, end, name in ranges:
            if name.strip() in _NO_MEMORY:
                continue
            try:
                memory.seek(int(start, 16))
                found += memory.read(int(end, 16) - int(start, 16)).count(word)
            except OSError:  # unmapped meanwhile
                continue
    return found
