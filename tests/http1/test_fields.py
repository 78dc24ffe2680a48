from http1.fields import HeaderFields


def test_a_value_is_found_by_its_name_in_lower_case() -> None:
    fields = HeaderFields([(b"Host", b"h"), (b"X-A", b"gr\xfcn \t")])
    assert {b"host": b"h", b"x-a": b"gr\xfcn"} == fields.by_name
    assert fields.are_unique


def test_fields_whose_names_differ_in_case_alone_are_repeated() -> None:
    fields = HeaderFields([(b"A", b"1"), (b"b", b"2"), (b"a", b"3")])
    assert not fields.are_unique
    assert b"a" == fields.repeated({b"a", b"b"})
    assert fields.repeated({b"b"}) is None


def test_headers_for_tornado_have_every_value() -> None:
    headers = HeaderFields([(b"x", b"a"), (b"X", b"b"), (b"y", b"\xfc \t")]).as_headers()
    assert (["a", "b"], "\xfc") == (headers.get_list("X"), headers["y"])
