"""Tickets: for one connection, within a minute."""

from typing import Any

import jwt
import pytest

from skiprnn_service.auth.principal import Principal
from skiprnn_service.auth.tickets import TICKET_SECONDS, Tickets


def test_a_ticket_is_taken_once_and_within_a_minute() -> None:
    now = [1000.0]
    tickets = Tickets(clock=lambda: now[0])
    alice = Principal("alice", frozenset({"stream", "admin"}))
    ticket = tickets.make(alice)
    assert tickets.take(ticket) == Principal("alice", frozenset({"stream"})), "it opens streams, nothing else"
    assert tickets.take(ticket) is None
    late = tickets.make(alice)
    now[0] += TICKET_SECONDS + 1
    assert tickets.take(late) is None


@pytest.mark.parametrize(
    "expires_at", ["x", None, [1], 10**400, 1e300, float("nan"), float("inf"), 1000 + 3 * TICKET_SECONDS]
)
def test_a_signed_ticket_without_a_time_of_the_next_minutes_is_rejected(expires_at: Any) -> None:
    tickets = Tickets(b"s" * 32, clock=lambda: 1000.0)
    claims = {"sub": "alice", "aud": "skiprnn-ticket", "exp": expires_at, "jti": "1"}
    assert tickets.take(jwt.encode(claims, b"s" * 32, "HS256")) is None
    assert tickets.take(jwt.encode(claims | {"exp": 1050}, b"s" * 32, "HS256"))


def test_a_ticket_is_taken_by_whoever_shares_the_secret_and_by_nobody_else() -> None:
    now = [1000.0]
    here, there = Tickets(b"s" * 32, clock=lambda: now[0]), Tickets(b"s" * 32, clock=lambda: now[0])
    ticket = here.make(Principal("alice", frozenset()))
    assert Tickets(clock=lambda: now[0]).take(ticket) is None
    assert there.take(ticket)
    for forged in ("", ".", "a.b", ticket[:-1], "x" + ticket, ticket.partition(".")[0] + ".ü"):
        assert there.take(forged) is None
