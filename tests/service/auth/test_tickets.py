"""Tickets: for one connection, within a minute."""

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


def test_a_ticket_is_taken_by_whoever_shares_the_secret_and_by_nobody_else() -> None:
    now = [1000.0]
    here, there = Tickets(b"s" * 32, clock=lambda: now[0]), Tickets(b"s" * 32, clock=lambda: now[0])
    ticket = here.make(Principal("alice", frozenset()))
    assert Tickets(clock=lambda: now[0]).take(ticket) is None
    assert there.take(ticket)
    for forged in ("", ".", "a.b", ticket[:-1], "x" + ticket, ticket.partition(".")[0] + ".ü"):
        assert there.take(forged) is None
