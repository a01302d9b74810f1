"""What the ledger's streams, and the keys of its facts (``…_key``), are called: made here alone, and the same for ever.

A stream is folded in its order. A fact stands once, under its key; what has no key is an observation, or is appended
at the version that was read. Which event stands where its docstring in :mod:`include.core.events` says.
"""

import re


class Name:
    """Called with a value for each ``<place>`` of its template, in order, it gives a name."""

    def __init__(self, template: str) -> None:
        self.template = template
        self._form, self._places = re.subn(r"<\w+>", "{}", template)

    def __call__(self, *values: object) -> str:
        if len(values) != self._places:
            raise TypeError(f"{self.template} takes {self._places} values, not {len(values)}")
        return self._form.format(*values)


def subject(stream: str) -> str:
    """What *stream* is about: its name without the first word."""
    return stream.partition("/")[2]


# A run's own events; the stream's name is also the key of the first.
run = Name("run/<project>/<run_id>")
gates_key = Name("gates/<project>/<run_id>")
looks_key = Name("looks/<project>/<run_id>")
card_key = Name("card/<project>/<run_id>")
environment_key = Name("environment/<project>/<run_id>")
image_key = Name("image/<project>/<run_id>")
step_key = Name("step/<project>/<step>/<inputs>")
pod_ended_key = Name("pod_ended/<project>/<run_id>/<pod>")
late_key = Name("late/<project>/<run_id>")
waits_key = Name("waits/<project>/<run_id>/<reason>")

# Beside them.
lease = Name("lease/<project>")
triggers = Name("triggers/<project>")
triggered_key = Name("triggered/<project>/<run_id>")
code = Name("code/<project>")
code_kept_key = Name("code_kept/<project>/<copied>")
cost = Name("cost/<project>")  # as earlier releases wrote it; those of its runs lie below it
cost_of_run = Name("cost/<project>/<run_id>")
LINEAGE, LINEAGE_SET_ASIDE = "lineage", "lineage set aside"
lineage_set_aside_key = Name("lineage-set-aside/<endpoint>/<position>")
lineage_sent_again_key = Name("lineage-sent-again/<endpoint>/<position>")
message = Name("message/<message_id>/<address>")

# Who may read, who has read, and what is removed.
contract = Name("contract/<dataset>")
contract_text = Name("contract-text/<dataset>")
access = Name("access/<project>/<dataset>")
receipt = Name("receipt/<project>")
digests = Name("digests/<project>/<dataset>")
look_again = Name("look-again/<dataset>")
RETENTION = "retention"
hold = Name("hold/<subject>")

# Data and models.
partitions = Name("partitions/<project>")
partitions_key = Name("partitions/<project>/<run_id>/<partitions>")
validated = Name("validated/<project>")
validated_key = Name("validated/<project>/<validation>")
trials = Name("trials/<project>")
trial_key = Name("trial/<trial_id>")
trials_beside = Name("trials-beside/<project>")
trial_beside_key = Name("trial-beside/<trial_id>")
benchmarks = Name("benchmarks/<project>")
benchmark_key = Name("benchmark/<trial_id>")
evaluations = Name("evaluations/<project>")
evaluated_key = Name("evaluated/<project>/<evaluation>")
backtests = Name("looks/<project>")
backtested_key = Name("backtested/<project>/<run_id>")
model = Name("model/<project>")
promotion = Name("promotion/<project>")
PROMOTIONS = "promotions"
override = Name("override/<project>")

# What is judged about champions, and what they are judged by. The watch folds ``drift``, and needs no ``holdout``.
drift = Name("drift/<project>")
reference_key = Name("reference/<project>/<evaluation>")
importance_key = Name("importance/<project>/<evaluation>")
policy_key = Name("policy/<project>/<digest>")
judged_key = Name("judged/<project>/<run_id>")
day_key = Name("day/<project>/<day>")
look_key = Name("look/<project>/<model_version>/<due_days>")
holdout = Name("holdout/<project>")
fit_key = Name("fit/<project>/<evaluation>")
holdout_days_key = Name("holdout-days/<project>/<evaluation>")
retraining = Name("retraining/<project>")
