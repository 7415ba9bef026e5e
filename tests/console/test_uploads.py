"""Forms with a file: what a browser's form library writes is read back byte for byte, and nonsense is refused."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiungo.base.errors import Incorrect
from kiungo.console.forms import FORM_UNREADABLE
from kiungo.console.uploads import PARTS_MAX, parse_upload


def sent(fields: dict[str, str], content: bytes, name: str = "contracts.csv") -> tuple[str, bytes]:
    """A form as a program we did not write sends it."""
    request = httpx.Request("POST", "http://h/", data=fields, files={"file": (name, content, "text/csv")})
    return request.headers["content-type"], request.read()


@given(
    st.dictionaries(st.text("abcdefgh", min_size=1, max_size=8), st.text("äöü ✓ab\r\n-=", max_size=30), max_size=4),
    st.binary(max_size=300) | st.sampled_from([b"\r\n--", b"--\r\n", b"\r\n\r\n", b"a\r\n--b--\r\n", b"\x00\xff"]),
)
def test_fields_and_file_arrive_as_they_were_sent(fields: dict[str, str], content: bytes) -> None:
    upload = parse_upload(*sent(fields, content))
    assert upload.content == content
    assert upload.fields == {name: value.strip() for name, value in fields.items()}
    assert upload.file_name == "contracts.csv"


def test_no_file_chosen_is_an_empty_one() -> None:
    assert parse_upload(*sent({"csrf": "x"}, b"", name="")).content == b""


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"csrf=x"),
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; filename="a"\r\n\r\n1\r\n--x--'),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1'),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--x--'),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\0\r\n--x--'),
        ("multipart/form-data; boundary=\u00e4", b""),
        ("multipart/form-data; boundary=x\r\nX-Y: z", b"x"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * (PARTS_MAX + 1) + b"--x--",
        ),
    ],
)
def test_what_is_no_form_with_a_file_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(Incorrect) as refused:
        parse_upload(content_type, body)
    assert refused.value.code == FORM_UNREADABLE
