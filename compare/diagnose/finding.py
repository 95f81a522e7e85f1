"""What one mechanism has to say of a run, and what follows from all of them."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

NOT_SURE, TOO_LITTLE, DIVERGED = "not sure", "too little data", "diverged"

# shown: the log holds what only this mechanism leaves; possible: what it leaves, and others may;
# unknown: a column is missing; against: the log holds what excludes it.
Answer = Literal["shown", "possible", "unknown", "against"]


@dataclass(frozen=True)
class Finding:
    """Evidence for or against one mechanism.

    Attributes:
        mechanism: its name.
        answer: whether the log shows it, excludes it, or leaves it open.
        evidence: a sentence with the measured numbers.
        lacks: what would decide, where it is open, parted by "; "; "" if nothing is known that
            would.
        cause: in a few words, what it is that has no name among the mechanisms; "" otherwise.
    """

    mechanism: str
    answer: Answer
    evidence: str
    lacks: str = ""
    cause: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """What makes the loss of a run spike.

    Attributes:
        verdict: a mechanism, ``none of these``, ``diverged``, ``not sure`` or ``too little data``.
        sure: whether a mechanism, its absence or a divergence was established.
        evidence: sentences with the measured numbers; what decided comes first.
        remedy: what would end the spikes, "" where it is not known.
        decides: what would decide, "" where it is decided.
        findings: of every mechanism.
        cause: in a few words, what there is instead where no mechanism is shown, such as restarts
            of the learning rate; "" where the verdict says it.
    """

    verdict: str
    sure: bool
    evidence: tuple[str, ...]
    remedy: str
    decides: str
    findings: tuple[Finding, ...]
    cause: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def __str__(self) -> str:
        cause = f": {self.cause}" if self.cause else ""
        lines = [f"{self.verdict}{' (sure)' if self.sure else ''}{cause}"]
        lines += [f"  - {sentence}" for sentence in self.evidence]
        lines += [f"What would end it: {self.remedy}."] if self.remedy else []
        lines += [f"What would decide: {self.decides}."] if self.decides else []
        return "\n".join(lines)
