from __future__ import annotations

from portal.sync.lookup import at, nested, without


def test_paths_lead_into_objects() -> None:
    fields = {"result": {"list": [1], "deep": {"x": 0}}, "a.b": "as written", "n": None}
    assert at(fields, "result.list") == [1]
    assert at(fields, "result.deep.x") == 0
    assert at(fields, "a.b") == "as written"
    assert at(fields, "n", "default") is None
    for path in ("", "result.none", "result.list.0", "n.x", "x", ".", "result."):
        assert at(fields, path, "default") == "default"


def test_values_are_put_where_paths_lead() -> None:
    made = nested({"a": 1, "b.c": 2, "b.d.e": 3})
    assert made == {"a": 1, "b": {"c": 2, "d": {"e": 3}}}


def test_what_is_named_is_left_out_and_the_rest_untouched() -> None:
    fields = {"a": 1, "b": {"c": 2, "d": 3}, "e": {"f": {"g": 4}}, "h.i": 5, "j": [6]}
    assert without(fields, ["a", "b.c", "e.f.g", "h.i", "j.k", "z.z"]) == {"b": {"d": 3}, "j": [6]}
    assert fields["b"] == {"c": 2, "d": 3}
