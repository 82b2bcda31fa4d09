"""Owners: they take lanes, commit, fall asleep, wake up and go on with what they knew, send again, and die."""

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from bus.protocol import Commit, Place, Snapshot
from contracts.errors import Fenced, PositionMoved, Rewound
from tests.integration.bus.model import LANES, OUTPUT, Known, Lane, Machine, counts, cuts, lanes, owners


class OwnerRules(Machine):
    """What owners and producers do."""

    # ---- ownership

    @rule(owner=owners, lane=lanes)
    def look(self, owner: str, lane: Lane) -> None:
        self.signs[owner, lane] = sign = self.run(self.bus.sign(*lane))
        assert sign == self.model.sign(lane)

    @rule(owner=owners, lane=lanes, patient=st.booleans())
    def acquire(self, owner: str, lane: Lane, patient: bool) -> None:
        """``patient``: after the holder gave no sign since our last look, if it did not."""
        seen = self.signs.get((owner, lane)) if patient else None
        token = self.run(self.bus.acquire(*lane, owner, seen=seen))
        held = self.model.leases.get(lane)
        if held and held[0] != owner and self.model.sign(lane) != seen:
            assert token is None
            return
        self.model.tokens[lane] = self.model.token(lane) + 1
        assert token == self.model.token(lane), "a fencing token that is not the next one"
        self.model.leases[lane] = (owner, token, 0)
        self.known[owner, lane].token = token

    @rule(owner=owners, lane=lanes)
    def renew(self, owner: str, lane: Lane) -> None:
        token, held = self.known[owner, lane].token, self.model.leases.get(lane)
        ours = held is not None and held[:2] == (owner, token)
        assert self.run(self.bus.renew(*lane, owner, token)) is ours
        if held and ours:
            self.model.leases[lane] = (owner, token, held[2] + 1)

    @rule(owner=owners, lane=lanes)
    def release(self, owner: str, lane: Lane) -> None:
        token, held = self.known[owner, lane].token, self.model.leases.get(lane)
        self.run(self.bus.release(*lane, owner, token))
        if held and held[:2] == (owner, token):
            del self.model.leases[lane]
            self.model.former[lane] = self.model.former[lane]._replace(life="")

    @rule(owner=owners, lane=lanes)
    def fence(self, owner: str, lane: Lane) -> None:
        known = self.known[owner, lane]
        if known.token < self.model.token(lane):
            assert isinstance(self.refused(self.bus.fence(*lane, known.token)), Fenced)
            return
        known.position = self.run(self.bus.fence(*lane, known.token))
        assert known.position == self.model.positions[lane]
        self.model.tokens[lane] = known.token

    @rule(owner=owners, lane=lanes, forward=counts, cut=cuts)
    def take_over(self, owner: str, lane: Lane, forward: int, cut: list[tuple[str, int]]) -> None:
        """As an owner begins: the holder has been silent, its lease is taken, and the work goes on."""
        self.look(owner, lane)
        self.acquire(owner, lane, patient=True)
        self.fence(owner, lane)
        self.load(lane)
        self.commit(owner, lane, forward, cut)

    @rule(owner=owners, lane=lanes, ahead=st.sampled_from([1, 8, 95]), fences=st.booleans())
    def jump_ahead(self, owner: str, lane: Lane, ahead: int, fences: bool) -> None:
        """As after many changes of owners."""
        self.known[owner, lane].token = self.model.token(lane) + ahead
        if fences:
            self.fence(owner, lane)

    @rule(owner=owners, lane=lanes)
    def begin(self, owner: str, lane: Lane) -> None:
        """It says that it works on the lane, and learns of whom it heard last there."""
        known, self.steps = self.known[owner, lane], self.steps + 1
        work = self.bus.begin(*lane, known.token, f"{owner} {self.steps}")
        if known.token < self.model.token(lane):
            assert isinstance(self.refused(work), Fenced)
            return
        assert self.run(work) == self.model.former[lane]
        self.model.former[lane] = self.model.former[lane]._replace(life=f"{owner} {self.steps}")

    @rule(owner=owners, lane=lanes)
    def attempt(self, owner: str, lane: Lane) -> None:
        known, self.steps = self.known[owner, lane], self.steps + 1
        error = self.refused(self.bus.attempt(*lane, known.token, f"try {self.steps}"))
        assert isinstance(error, Fenced) is (known.token < self.model.token(lane))
        if error is None:
            self.model.former[lane] = self.model.former[lane]._replace(tried=f"try {self.steps}")

    @rule(owner=owners)
    def crash(self, owner: str) -> None:
        """It forgets everything; what it sent may still be on its way."""
        for lane in LANES:
            self.known.pop((owner, lane), None)
            self.signs.pop((owner, lane), None)

    @rule(lane=lanes)
    def retire(self, lane: Lane) -> None:
        """Forgotten for good; before, everybody who worked on it was stopped, and nothing is on its way."""
        for owner in list(self.known):
            if owner[1] == lane:
                del self.known[owner]
                self.signs.pop(owner, None)
        self.sent = [row for row in self.sent if (row[0].partition, row[0].task) != lane]
        assert self.run(self.bus.retire(*lane)) is self.model.known(lane)
        for table in (self.model.tokens, self.model.leases, self.model.positions, self.model.former):
            table.pop(lane, None)
        self.model.snapshots[lane] = []

    # ---- commits

    @rule(owner=owners, lane=lanes, forward=counts, cut=cuts)
    def commit(self, owner: str, lane: Lane, forward: int, cut: list[tuple[str, int]]) -> None:
        known = self.known[owner, lane]
        position = str(int(known.position or 0) + forward)
        if self._send(lane, known, known.position, position, cut):
            known.position = position
        # What an owner expects was stored once, and nothing gets lost here.
        assert not isinstance(self.error, Rewound)

    @rule(owner=owners, lane=lanes, wrong=st.integers(-3, 3), cut=cuts)
    def commit_from_elsewhere(self, owner: str, lane: Lane, wrong: int, cut: list[tuple[str, int]]) -> None:
        known = self.known[owner, lane]
        self.steps += 1
        # A position that no other commit leads to.
        self._send(lane, known, str(int(known.position or 0) + wrong), f"{10**6 * self.steps}", cut)

    def _send(self, lane: Lane, known: Known, before: str, after: str, cut: list[tuple[str, int]]) -> bool:
        rows, outputs = self.made(cut)
        self.sent.append((Commit(*lane, known.token, before, after, outputs), rows))
        return self._deliver(len(self.sent) - 1)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def commit_again(self, data: st.DataObject) -> None:
        """A reply was lost, or the request was delayed past newer ones."""
        self._deliver(data.draw(st.integers(max(0, len(self.sent) - 8), len(self.sent) - 1)))

    def _deliver(self, number: int) -> bool:
        commit, rows = self.sent[number]
        lane = (commit.partition, commit.task)
        self.error, refusal = None, self.model.refusal(commit)
        if refusal:
            self.error = error = self.refused(self.bus.commit(commit))
            assert isinstance(error, refusal)
            if isinstance(error, PositionMoved):
                assert error.found == self.model.positions[lane]
            return False
        self.run(self.bus.commit(commit))
        if self.model.positions[lane] != commit.position:
            for stream, values in rows:
                self.model.append(Place(stream, commit.partition), values)
            self.model.positions[lane] = commit.position
            self.model.tokens[lane] = commit.token
        return True

    # ---- snapshots

    @rule(owner=owners, lane=lanes)
    def save(self, owner: str, lane: Lane) -> None:
        known = self.known[owner, lane]
        self.steps += 1
        snapshot = Snapshot(
            known.position, f"state {self.steps}".encode(), {OUTPUT: self.model.ends[Place(OUTPUT, lane[0])]}
        )
        work = self.bus.save(*lane, known.token, snapshot)
        if self.model.token(lane) > known.token:
            assert isinstance(self.refused(work), Fenced)
            return
        self.run(work)
        self.model.snapshots[lane] = [snapshot, *self.model.snapshots[lane][:1]]

    @rule(lane=lanes)
    def load(self, lane: Lane) -> None:
        assert self.run(self.bus.snapshots(*lane)) == self.model.snapshots[lane]
