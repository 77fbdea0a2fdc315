"""The errors of the service and what they tell a client."""

import pytest

from skiprnn_service import errors
from skiprnn_service.errors import (
    AuthenticationError,
    OverloadError,
    SkipRnnServiceError,
    UpgradeRequiredError,
)


def below(base: type[SkipRnnServiceError]) -> list[type[SkipRnnServiceError]]:
    return [each for child in base.__subclasses__() for each in (child, *below(child))]


@pytest.mark.parametrize("error", below(SkipRnnServiceError))
def test_every_error_is_in_the_tree_of_the_module_and_has_a_code_and_a_status(
    error: type[SkipRnnServiceError],
) -> None:
    assert errors.__doc__
    assert f"── {error.__name__} " in errors.__doc__
    assert error.code.isidentifier()
    assert 400 <= error.status < 600


def test_headers_say_when_and_how_to_ask_again() -> None:
    assert OverloadError("full", retry_after_seconds=7).headers == {"Retry-After": "7"}
    assert AuthenticationError("no").headers == {"WWW-Authenticate": "Bearer"}
    assert UpgradeRequiredError("no").headers["Upgrade"] == "websocket"
