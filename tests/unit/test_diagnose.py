import pytest

from saih.diagnose import diagnose


def metrics(step_s=1.0, **parts):
    """exposed_x_s as (low, value, high); absent ones are unknown."""
    found = {"step_s": {"value": step_s}}
    for name in ("exposed_input_s", "exposed_comm_s"):
        low, value, high = parts.get(name, (None, None, None))
        found[name] = {"value": value} if low is None else {"value": value, "low": low, "high": high}
    return found


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        ({"exposed_input_s": (0.3, 0.4, 0.5)}, "input-bound"),
        ({"exposed_comm_s": (0.3, 0.4, 0.5), "exposed_input_s": (0.0, 0.01, 0.02)}, "communication-bound"),
        (
            {"exposed_comm_s": (0.3, 0.4, 0.5), "exposed_input_s": (0.2, 0.3, 0.4)},
            "input-bound and communication-bound",
        ),
        ({"exposed_input_s": (0.1, 0.14, 0.2)}, "undetermined"),
        ({"exposed_input_s": (-0.1, 0.4, 0.9)}, "undetermined"),
        ({}, "undetermined"),
    ],
)
def test_a_part_is_named_where_it_is_large_and_its_interval_excludes_zero(parts, verdict):
    assert diagnose(metrics(**parts))["verdict"] == verdict


def test_shares_add_up_to_the_step_also_when_a_difference_is_negative():
    found = diagnose(metrics(2.0, exposed_input_s=(-0.2, -0.1, 0.0), exposed_comm_s=(0.4, 0.5, 0.6)))
    assert found["shares"] == pytest.approx({"input": -0.05, "communication": 0.25, "rest": 0.8})
    assert sum(found["shares"].values()) == pytest.approx(1)


def test_the_evidence_says_what_was_seen():
    assert diagnose(metrics(exposed_input_s=(0.3, 0.4, 0.5)))["evidence"] == "without input the step is 40 % shorter."
    assert "input 5.0 %; the other 95 %" in diagnose(metrics(exposed_input_s=(0.0, 0.05, 0.1)))["evidence"]
