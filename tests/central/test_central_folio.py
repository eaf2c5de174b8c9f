"""Folios: sums that add up for every input, lines that stand for ever, each source once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from central.bookings import stays
from central.folio import ledger
from central.folio.arithmetic import split, tax_included
from central.folio.ledger import Line
from central.problems import Conflict, NotFound
from central.store.tables import posting
from tests.central.hotel import Hotel, day

SHARES = st.lists(st.integers(0, 50), min_size=1).filter(lambda shares: sum(shares) > 0)


@given(st.integers(-(10**9), 10**9), SHARES)
def test_the_parts_of_a_bill_add_up_to_the_bill(total: int, shares: list[int]) -> None:
    assert sum(split(total, shares)) == total


@given(st.integers(0, 10**9), SHARES)
def test_no_part_is_more_than_one_unit_from_its_share(total: int, shares: list[int]) -> None:
    whole = sum(shares)
    assert all(abs(part * whole - total * share) < whole for part, share in zip(split(total, shares), shares, strict=True))


@given(st.integers(0, 10**9), SHARES)
def test_a_credit_is_split_like_its_bill(total: int, shares: list[int]) -> None:
    assert split(-total, shares) == [-part for part in split(total, shares)]


def test_leftover_cents_go_to_the_earlier_of_equal_shares() -> None:
    assert split(100, [1, 1, 1]) == [34, 33, 33]


@pytest.mark.parametrize("shares", [[], [0, 0], [-1, 2]])
def test_shares_that_divide_nothing_are_refused(shares: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        split(100, shares)


@given(st.integers(-(10**9), 10**9), st.integers(0, 10_000))
def test_net_and_tax_add_up_and_the_tax_is_the_nearest_cent(gross: int, basis_points: int) -> None:
    net, tax = tax_included(gross, basis_points)
    assert net + tax == gross
    assert abs(tax * (10_000 + basis_points) - gross * basis_points) * 2 <= 10_000 + basis_points


@given(st.integers(0, 10**9), st.integers(0, 10_000))
def test_the_tax_of_a_reversal_is_the_negative_of_its_original(gross: int, basis_points: int) -> None:
    net, tax = tax_included(gross, basis_points)
    assert tax_included(-gross, basis_points) == (-net, -tax)


async def test_a_source_posts_each_of_its_numbers_once(hotel: Hotel) -> None:
    stay = await hotel.book()
    lines = [Line("minibar", 450, 7, "room"), Line("minibar", 300, 8, "room")]
    assert await hotel.do(ledger.post_once, stay, "bar-201/1", lines[:1]) == 1
    assert await hotel.do(ledger.post_once, stay, "bar-201/1", lines) == 1
    assert await hotel.ask(lambda conn, slug: ledger.balance(conn, slug, stay)) == 750


async def test_a_line_that_adds_up_wrongly_cannot_be_stored(hotel: Hotel) -> None:
    stay = await hotel.book()
    await hotel.do(ledger.post_once, stay, "desk", [Line("minibar", 450, 1, "room")])
    with pytest.raises(IntegrityError):
        await hotel.store.write(lambda conn: conn.execute(update(posting).values(net_minor=1)))


async def test_a_reversal_is_the_exact_negative_and_happens_once(hotel: Hotel) -> None:
    stay = await hotel.book()
    await hotel.do(ledger.post_once, stay, "desk", [Line("minibar", 455, 1, "room")])
    (line,) = await hotel.ask(lambda conn, slug: ledger.lines(conn, slug, stay))
    made, of = await hotel.do(stays.reverse, line.posting_id, "wrong room")
    lines = await hotel.ask(lambda conn, slug: ledger.lines(conn, slug, stay))
    assert of == stay
    assert [(one.gross_minor, one.net_minor, one.tax_minor) for one in lines] == [(455, 414, 41), (-455, -414, -41)]
    assert lines[1].reverses == line.posting_id
    for again in (line.posting_id, made):
        with pytest.raises(Conflict, match="reversed"):
            await hotel.do(stays.reverse, again, "again")


async def test_a_payment_counts_once_and_lowers_the_balance(hotel: Hotel) -> None:
    stay = await hotel.book()
    assert await hotel.do(stays.pay, stay, "p1", "cash", 5000)
    assert not await hotel.do(stays.pay, stay, "p1", "cash", 5000)
    assert await hotel.ask(lambda conn, slug: ledger.balance(conn, slug, stay)) == -5000


async def test_nights_are_posted_once_whoever_asks_first(hotel: Hotel) -> None:
    from central.bookings import books

    stay = await hotel.book(nights=3)
    row = await hotel.ask(lambda conn, slug: books.read(conn, slug, stay))
    assert await hotel.do(stays.post_nights, row, (day(0),)) == 1
    assert await hotel.do(stays.post_nights, row, (day(0), day(1), day(2))) == 2
    assert await hotel.ask(lambda conn, slug: ledger.balance(conn, slug, stay)) == 30000


async def test_nothing_is_posted_to_a_folio_that_is_not_there_or_with_a_strange_tax(hotel: Hotel) -> None:
    with pytest.raises(NotFound):
        await hotel.do(ledger.post_once, "nobody", "desk", [Line("minibar", 1, 1)])
    stay = await hotel.book()
    with pytest.raises(Conflict, match="no tax"):
        await hotel.do(ledger.post_once, stay, "desk", [Line("minibar", 1, 1, "luxury")])
