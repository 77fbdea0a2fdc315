"""Sequential Fashion-MNIST."""

import pytest

from skiprnn.tasks.fashion import data_member
from support.images import assert_complete
from support.tasks import load


def test_the_data_member_of_a_debian_package_is_found() -> None:
    def member(name: str, data: bytes) -> bytes:
        return (
            f"{name:<16}{0:<12}{0:<6}{0:<6}{644:<8}{len(data):<10}`\n".encode()
            + data
            + b"\n" * (len(data) % 2)
        )

    package = b"!<arch>\n" + member("debian-binary", b"2.0\n ") + member("data.tar.xz", b"data!")
    assert data_member(package) == b"data!"
    with pytest.raises(ValueError, match=r"member data\.tar"):
        data_member(package[:70])


def test_the_complete_set_of_images_is_loaded() -> None:
    assert_complete(load("fashion"), batches=215)
