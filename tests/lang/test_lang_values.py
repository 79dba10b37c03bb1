"""`frozen` means what `attrs.frozen` means."""

import attrs
import pytest

from dandc.lang.values import frozen


def twins() -> list[tuple[type, type]]:
    """The same classes by both ways."""

    def classes(make: object) -> list[type]:
        @make  # type: ignore[operator]
        class Nothing:
            pass

        @make  # type: ignore[operator]
        class Pair:
            left: int
            right: object = attrs.field(default=())
            place: int = attrs.field(default=0, eq=False, repr=False)
            hidden: str = attrs.field(default="x", repr=False, kw_only=True)

        @make(slots=True)  # type: ignore[operator]
        class Deeper(Pair):
            more: int = 1

            def __repr__(self) -> str:
                return "own text"

        @make(eq=False)  # type: ignore[operator]
        class Single:
            value: int

        return [Nothing, Pair, Deeper, Single]

    return list(zip(classes(frozen), classes(attrs.frozen), strict=True))


@pytest.mark.parametrize("number", range(4))
def test_values_are_compared_hashed_and_shown_as_attrs_does(number: int) -> None:
    ours, theirs = twins()[number]
    wanted = [(), (1,), (1, ("a",)), (1, ("a",), 5), (2,)]
    given = [arguments for arguments in wanted if len(arguments) <= len(attrs.fields(ours))]
    given = [arguments for arguments in given if arguments or not attrs.fields(ours)]
    assert given
    mine, other = ([make(*arguments) for arguments in given] for make in (ours, theirs))
    assert [repr(value) for value in other] == [repr(value) for value in mine]
    for i, j in [(i, j) for i in range(len(given)) for j in range(len(given))]:
        equal = mine[i] == mine[j]
        assert (other[i] == other[j]) == equal
        assert (mine[i] != mine[j]) == (not equal)
        assert not equal or hash(mine[i]) == hash(mine[j])
        assert mine[i] != other[j]


def test_they_are_frozen_and_their_texts_are_theirs() -> None:
    """A subclass with fields of its own is never equal to its base."""
    (_, pair, deeper, _) = (ours for ours, _ in twins())
    value = pair(1, hidden="y")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        value.left = 2
    assert value != deeper(1, hidden="y")
    assert hash(value) != hash(pair(2, hidden="y"))
    assert attrs.evolve(value, left=3) == pair(3, hidden="y")
    with pytest.raises(TypeError):
        hash(pair(1, []))
