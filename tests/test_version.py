import pytest

from charrnn.version import __version__, is_newer, parse_version


def test_a_development_version_is_older_than_its_release() -> None:
    versions = ["0.1.0", "0.2.0.dev0", "0.2.0", "0.2.1", "0.10.0.dev0", "0.10.0", "1.0.0"]
    orders = [parse_version(version) for version in versions]
    assert None not in orders
    assert len(set(orders)) == len(versions)
    assert orders == sorted(orders, key=lambda order: order or ((), False))


@pytest.mark.parametrize("value", [None, 1, "", "1.x", "v1.0", "1.0\n", "1" * 50, "0.2.0.dev", []])
def test_other_values_are_not_versions(value: object) -> None:
    assert parse_version(value) is None


def test_newer_versions_are_recognized() -> None:
    assert is_newer("99.0.0")
    assert not any(map(is_newer, (__version__, "0.1.0", "x", None)))
