"""The kind of a processor, by its flags."""

import pytest

from benchmarks.machine import kind_of

CPUINFO = "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu {}\nbugs\t\t: amx_tile\n"


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        ("avx2 avx512f amx_bf16 amx_tile", "AMX bfloat16"),
        ("avx2 avx512f avx512_bf16 amx_tile", "AVX-512 without AMX"),
        ("avx avx2", "AVX2"),
        ("sse2 avx", None),
    ],
)
def test_kind_by_flags(flags: str, kind: str | None) -> None:
    assert kind_of(CPUINFO.format(flags)) == kind


def test_no_flags_no_kind() -> None:
    assert kind_of("") is None
