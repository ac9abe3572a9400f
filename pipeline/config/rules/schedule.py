"""Rules of the group schedule."""

from pipeline.schemas import ScheduleConfig

MOST_RESTARTS = 4
NEUTRAL_SCHEDULE = {"cycles": 1, "power": 1.0, "min_ratio": 0.0, "staircase": None}
"""By key: the value without effect."""
SHAPES_OF = {
    "cycles": ("cosine_with_restarts",),
    "power": ("polynomial",),
    "min_ratio": ("linear", "polynomial", "cosine", "cosine_with_restarts"),
    "staircase": ("staircase",),
}
"""By key: the schedules that use it."""


def schedule_contradictions(schedule: ScheduleConfig) -> list[str]:
    """Settings that contradict each other."""
    problems = []
    key = "warmup_percent" if schedule.warmup_steps is None else "warmup_steps"
    if schedule.name == "constant" and getattr(schedule, key):
        problems.append(
            f"schedule.{key} is {getattr(schedule, key):g}, but schedule.name constant has no warm-up; set"
            f" schedule.name to constant_with_warmup, or {key} to 0"
        )
    if schedule.name == "staircase" and schedule.staircase is None:
        problems.append(
            "schedule.name is staircase, but schedule.staircase is null; set it to RATE:STEP pairs, such as"
            " `0.005:12000, 1e-4:18000, 1e-5`"
        )
    if schedule.name != "staircase" and schedule.staircase is not None:
        problems.append(
            f"schedule.staircase is set, but schedule.name is {schedule.name}; set the name to staircase,"
            " or schedule.staircase to null"
        )
    return problems


def schedule_doubts(schedule: ScheduleConfig) -> list[str]:
    """Settings that have no effect, or are rarely meant."""
    doubts = [
        f"schedule.{key} has no effect: schedule.name is {schedule.name}, not {' or '.join(names)}"
        for key, names in SHAPES_OF.items()
        if key != "staircase"
        and schedule.name not in names
        and getattr(schedule, key) != NEUTRAL_SCHEDULE[key]
    ]
    if schedule.name == "cosine_with_restarts" and schedule.cycles > MOST_RESTARTS:
        doubts.append(
            f"schedule.cycles {schedule.cycles} with schedule.name cosine_with_restarts: each restart undoes"
            f" a little; at most {MOST_RESTARTS} is usual"
        )
    if schedule.name == "cosine_with_restarts" and schedule.cycles == 1:
        doubts.append("schedule.cycles is 1, so schedule.name cosine_with_restarts is the same as cosine")
    if schedule.warmup_steps is None and schedule.warmup_percent > 50:
        doubts.append(
            f"schedule.warmup_percent {schedule.warmup_percent:g} leaves less than half of the run to"
            f" schedule.name {schedule.name}; 5-10 is usual"
        )
    if schedule.warmup_steps is None and 0 < schedule.warmup_percent < 1:
        doubts.append(
            f"schedule.warmup_percent {schedule.warmup_percent:g} is less than one in a hundred steps; if you"
            f" mean a share, write {schedule.warmup_percent * 100:g}"
        )
    return doubts
