"""The box's session, asked directly: when it pushes, how much, how long it rests, and when it gives up."""

import pytest

from tests.wire.test_wire_codec import NOON
from wire import session
from wire.facts import LANES, Lane
from wire.jobs import Job, JobKind
from wire.messages import CATCH_UP_ROWS, PUSH_ROWS, FactsReply, FeedReply, FeedRow, HelloReply, SnapshotReply
from wire.session import (
    Action,
    Appended,
    Applied,
    ApplyFeed,
    ApplySnapshot,
    Confirm,
    Failed,
    Greeted,
    Phase,
    Poll,
    Polled,
    Pushed,
    Renumber,
    SendFacts,
    SendHello,
    SnapshotCame,
    TakeSnapshot,
    Tick,
    Wait,
)


class Talk:
    """A session and its virtual time; `did` are the newest actions."""

    def __init__(self, cursor: int = 0, **lanes: tuple[int, int]) -> None:
        stand: dict[Lane, tuple[int, int]] = {lane: lanes.get(lane, (0, 0)) for lane in LANES}
        self.state = session.opening(1, stand, cursor)
        self.now = 100.0
        self.did: tuple[Action, ...] = ()

    def hear(self, event: session.Event, later: float = 0.0) -> "Talk":
        self.now += later
        self.state, self.did = session.step(self.state, event, self.now)
        return self

    def one(self, kind: type[Action]) -> object:
        found = [action for action in self.did if isinstance(action, kind)]
        assert len(found) == 1, self.did
        return found[0]

    def push(self) -> SendFacts:
        found = self.one(SendFacts)
        assert isinstance(found, SendFacts)
        return found

    def has(self, kind: type[Action]) -> bool:
        return any(isinstance(action, kind) for action in self.did)

    def waits(self) -> float:
        found = self.one(Wait)
        assert isinstance(found, Wait)
        return found.until - self.now

    def greeted(self, snapshot: bool = False, **acks: int) -> "Talk":
        ack: dict[Lane, int] = {lane: acks.get(lane, 0) for lane in LANES}
        return self.hear(Tick()).hear(Greeted(self.state.up.ticket, HelloReply(1, ack, 0, NOON, snapshot=snapshot)))

    def acked(self, lane: Lane, seq: int, later: float = 0.01) -> "Talk":
        return self.hear(Pushed(self.state.lanes[lane].ticket, FactsReply(1, seq)), later)


def test_a_box_greets_before_it_says_anything_else() -> None:
    talk = Talk(desk=(3, 0)).hear(Tick())
    assert [type(action) for action in talk.did] == [SendHello]


def test_the_desk_is_served_before_log_and_readings() -> None:
    talk = Talk(desk=(3, 0), log=(3, 0), last=(3, 0)).greeted()
    assert talk.push().lane == "desk"
    assert talk.acked("desk", 3).push().lane == "log"
    assert talk.acked("log", 3).push().lane == "last"


def test_a_desk_fact_overtakes_a_backlog_of_readings() -> None:
    talk = Talk(last=(100_000, 0)).greeted()
    assert talk.push().lane == "last"
    assert not talk.hear(Appended("desk", 1, 1)).has(SendFacts)
    assert talk.acked("last", 2000).push().lane == "desk"


def test_a_fact_waits_for_the_window_and_an_urgent_one_does_not() -> None:
    talk = Talk(desk=(1, 0)).greeted().acked("desk", 1)
    assert not talk.hear(Appended("desk", 2), 0.01).has(SendFacts)
    assert talk.waits() == pytest.approx(0.04)
    assert talk.hear(Tick(), 0.041).push().after == 1
    talk.acked("desk", 2)
    assert talk.hear(Appended("desk", 3, 3), 0.001).push().after == 2


def test_readings_wait_twice_as_long() -> None:
    talk = Talk(last=(1, 0)).greeted().acked("last", 1).hear(Appended("last", 2))
    assert talk.waits() == pytest.approx(0.1)


def test_a_full_batch_does_not_wait() -> None:
    talk = Talk(log=(1, 0)).greeted().acked("log", 1)
    assert talk.hear(Appended("log", 1 + PUSH_ROWS)).push().rows == PUSH_ROWS


def test_a_long_backlog_goes_in_large_batches() -> None:
    assert Talk(log=(5000, 0)).greeted().push().rows == PUSH_ROWS
    assert Talk(log=(5001, 0)).greeted().push().rows == CATCH_UP_ROWS


def test_a_lost_push_is_sent_again_smaller_after_greeting() -> None:
    talk = Talk(log=(1000, 0)).greeted()
    talk.hear(Failed(talk.push().ticket, "lost"))
    assert talk.has(Wait)
    talk.hear(Tick(), 20.0).one(SendHello)
    talk.hear(Greeted(talk.state.up.ticket, HelloReply(1, dict.fromkeys(LANES, 0), 0, NOON)))
    assert (talk.push().after, talk.push().rows) == (0, PUSH_ROWS // 2)


def test_a_rest_grows_and_never_passes_its_cap() -> None:
    talk = Talk().hear(Tick())
    rests = []
    for _ in range(10):
        talk.hear(Failed(talk.state.up.ticket, "lost", luck=0.999))
        rests.append(talk.waits())
        talk.hear(Tick(), talk.waits() + 0.001)
    assert rests == sorted(rests)
    assert rests[0] < 1.0
    assert max(rests) <= session.BACKOFF_CAP_S


def test_a_line_that_greets_but_loses_every_push_rests_longer_each_time() -> None:
    talk = Talk(desk=(5, 0)).greeted()
    rests = []
    for _ in range(4):
        talk.hear(Failed(talk.push().ticket, "lost"))
        rests.append(talk.waits())
        talk.hear(Tick(), talk.waits() + 0.001)
        talk.hear(Greeted(talk.state.up.ticket, HelloReply(1, dict.fromkeys(LANES, 0), 0, NOON)))
    assert rests == sorted(set(rests))


def test_a_desk_fact_cuts_the_rest_short() -> None:
    talk = Talk().hear(Tick())
    for _ in range(8):
        talk.hear(Failed(talk.state.up.ticket, "lost")).hear(Tick(), 16.0)
    talk.hear(Failed(talk.state.up.ticket, "lost"))
    assert talk.waits() > 5.0
    assert talk.hear(Appended("desk", 1)).waits() == pytest.approx(session.HURRY_S)


def test_a_busy_central_is_given_the_time_it_asks_for() -> None:
    talk = Talk().hear(Tick())
    assert talk.hear(Failed(talk.state.up.ticket, "busy", retry_s=40.0)).waits() == pytest.approx(40.0)


def test_a_refused_box_stops_and_asks_again_much_later() -> None:
    talk = Talk(desk=(1, 0)).hear(Tick())
    talk.hear(Failed(talk.state.up.ticket, "refused", why="403"))
    assert talk.state.phase is Phase.REFUSED
    assert talk.waits() == pytest.approx(session.REFUSED_S)
    assert not talk.hear(Appended("desk", 2, 2), 10.0).has(SendHello)
    assert talk.hear(Tick(), session.REFUSED_S).has(SendHello)


def test_an_acknowledgement_that_does_not_move_leads_to_a_greeting() -> None:
    talk = Talk(desk=(5, 2)).greeted(desk=2).acked("desk", 2)
    assert talk.state.phase is Phase.GREET


def test_an_acknowledgement_of_what_was_never_said_leads_to_a_greeting() -> None:
    talk = Talk(desk=(5, 2)).greeted(desk=2).acked("desk", 9)
    assert talk.state.phase is Phase.GREET
    assert talk.state.lanes["desk"].acked == 2


def test_numbers_that_central_has_seen_are_not_given_out_again() -> None:
    talk = Talk(desk=(5, 0)).greeted(desk=9)
    assert talk.one(Renumber) == Renumber("desk", 9)
    assert not talk.has(SendFacts)
    assert talk.hear(Appended("desk", 14)).push().after == 9


def test_what_central_has_lost_is_sent_again() -> None:
    talk = Talk(desk=(9, 9)).greeted(desk=4)
    assert talk.push().after == 4
    assert Confirm("desk", 4) in talk.did


def feed_row(seq: int) -> FeedRow:
    return FeedRow(seq, "stay", f"s{seq}", "del")


def test_the_feed_goes_on_after_its_rows_are_committed_and_not_before() -> None:
    talk = Talk(cursor=7).greeted()
    poll = talk.one(Poll)
    assert isinstance(poll, Poll)
    assert (poll.after, poll.wait_s) == (7, 25)
    talk.hear(Polled(poll.ticket, FeedReply(9, (feed_row(8),))), 3.0)
    assert talk.has(ApplyFeed)
    assert not talk.has(Poll)
    again = talk.hear(Applied(poll.ticket, 8)).one(Poll)
    assert isinstance(again, Poll)
    assert again.after == 8


def test_an_empty_answer_that_came_at_once_does_not_make_the_box_spin() -> None:
    talk = Talk().greeted()
    ticket = talk.state.down.ticket
    assert not talk.hear(Polled(ticket, FeedReply(0)), 0.01).has(Poll)
    assert talk.waits() == pytest.approx(session.QUIET_S)


def test_an_answer_to_an_older_question_is_passed_over() -> None:
    talk = Talk().greeted()
    before = talk.state
    talk.hear(Polled(9999, FeedReply(5, (feed_row(5),)))).hear(Pushed(0, FactsReply(1, 5))).hear(Applied(9999, 5))
    assert talk.state == before


def test_a_job_alone_is_committed_too() -> None:
    talk = Talk().greeted()
    job = Job("j1", JobKind.CUT_KEY, "encoder-1", "staff/1", 18000)
    assert talk.hear(Polled(talk.state.down.ticket, FeedReply(0, jobs=(job,)))).has(ApplyFeed)


def test_a_cursor_that_the_feed_cannot_serve_leads_to_a_snapshot() -> None:
    talk = Talk(cursor=3).greeted()
    take = talk.hear(Failed(talk.state.down.ticket, "gone")).one(TakeSnapshot)
    assert isinstance(take, TakeSnapshot)
    assert talk.hear(SnapshotCame(take.ticket, SnapshotReply(12, ()))).has(ApplySnapshot)
    poll = talk.hear(Applied(take.ticket, 12)).one(Poll)
    assert isinstance(poll, Poll)
    assert poll.after == 12


def test_a_snapshot_that_central_demands_comes_before_any_fact() -> None:
    talk = Talk(desk=(2, 0)).greeted(snapshot=True)
    take = talk.one(TakeSnapshot)
    assert isinstance(take, TakeSnapshot)
    assert not talk.has(SendFacts)
    assert talk.hear(Applied(take.ticket, 4)).push().lane == "desk"


def test_a_poll_from_before_the_line_broke_is_not_waited_for() -> None:
    talk = Talk(desk=(2, 0)).greeted()
    old = talk.state.down.ticket
    talk.hear(Failed(talk.push().ticket, "lost")).hear(Tick(), 5.0)
    talk.hear(Greeted(talk.state.up.ticket, HelloReply(1, dict.fromkeys(LANES, 0), 0, NOON)))
    poll = talk.one(Poll)
    assert isinstance(poll, Poll)
    assert poll.ticket != old


def test_our_own_full_disk_makes_the_feed_rest() -> None:
    talk = Talk().greeted()
    ticket = talk.state.down.ticket
    talk.hear(Polled(ticket, FeedReply(5, (feed_row(5),)))).hear(Failed(ticket, "local"))
    assert not talk.has(Poll)
    assert talk.hear(Tick(), 16.0).has(Poll)


def test_a_line_that_answers_again_has_no_trouble_left_to_tell() -> None:
    talk = Talk().greeted()
    talk.hear(Failed(talk.state.down.ticket, "lost", why="central does not answer"))
    assert talk.state.why == "central does not answer"
    talk.hear(Tick(), 16.0).hear(Polled(talk.state.down.ticket, FeedReply(0)), 5.0)
    assert talk.state.why == ""
