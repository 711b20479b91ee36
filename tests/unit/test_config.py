import pytest

from saih import config
from saih.errors import InputError

GOOD = "schema: 1\nname: q\napp: toy:APP\nsize: {edge: [16, 32]}\n"


def test_scalars_become_lists_and_defaults_are_filled_in():
    found = config.parse(GOOD + "run: {ranks: 2}\n")
    assert found.run.axes() == {
        "ranks": [2],
        "batch": [1],
        "precision": ["fp32"],
        "execution": ["plain"],
        "input": ["dataset"],
        "background_read_mb_s": [0.0],
    }


def test_what_is_written_is_read_back():
    found = config.parse(GOOD + "sweep: {exclude: [{edge: 32, ranks: 2}], repeats: 3}\n")
    assert config.parse(found.to_yaml()) == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD + "foo: 1", "foo: unknown key; allowed: schema, name, app, data, size, run, sweep, measure"),
        (GOOD + "measure: {max: 3}", "measure.max: unknown key; allowed: target_percent, max_s"),
        (GOOD + "measure: {soak_s: -1}", "measure.soak_s = -1: must be greater than or equal to 0"),
        (GOOD + "measure: {soak_s: .inf}", "measure.soak_s = inf: must be "),
        (
            GOOD + "measure: {soak_s: 580}",
            "measure.soak_s = 580: with measure.max_s = 20 it must be less than limits.point_timeout_s = 600",
        ),
        (GOOD + "measure: {max_s: x}", "measure.max_s = x: must be a valid number"),
        (GOOD + "measure: {max_s: .nan}", "measure.max_s = nan: must be a finite number"),
        (GOOD + "sweep: {kind: random}", "sweep.kind = random: must be 'matrix', 'zip' or 'grow'"),
        (GOOD + "limits: {memory_gib: -1}", "limits.memory_gib = -1: must be greater than 0"),
        (GOOD + "run: {ranks: [1, 1]}", "run.ranks = [1, 1]: holds 1 twice"),
        (GOOD + "run: {ranks: [1, 0]}", "run.ranks[1] = 0: must be greater than or equal to 1"),
        (GOOD + "run: {ranks: two}", "run.ranks[0] = two: must be a valid integer"),
        (GOOD + "run: {ranks: true}", "run.ranks[0] = True: must be a valid integer"),
        (GOOD + "run: {precision: fp23}", "run.precision[0] = fp23: must be 'fp32', 'tf32', 'bf16' or 'fp16'"),
        (GOOD + "run: {background_read_mb_s: [0, 0.0]}", "run.background_read_mb_s = [0, 0.0]: holds 0.0 twice"),
        (GOOD + "run: {background_read_mb_s: -1}", "run.background_read_mb_s[0] = -1: must be greater than or equal"),
        (GOOD + "run: {background_read_mb_s: max}", "run.background_read_mb_s[0] = max: must be a valid number"),
        (GOOD + "name: r", "line 1: key name is given twice"),
        (GOOD + "launch: 3", "launch = 3: must be a valid dictionary"),
        (GOOD.replace("schema: 1", "schema: 2"), "schema = 2: must be 1"),
        (GOOD.replace("schema: 1\n", ""), "schema: is required"),
        (GOOD.replace("name: q", "name: a/b"), "name = a/b: "),
        (GOOD.replace("[16, 32]", "[]"), "size.edge = []: "),
        (GOOD + "run: {batch: 1:20}", "run.batch[0] = 1:20: must be a valid integer"),
        (GOOD + "run: {batch: 010}", "line 5: 010 may be read in two ways; write a number without a 0 before it"),
        (GOOD + "run: {batch: 1_000}", "run.batch[0] = 1_000: must be a valid integer"),
        (GOOD + "measure: {profile: yes}", "measure.profile = yes: must be a valid boolean"),
        (GOOD + "x: 2026-13-45", "is not YAML: month must be in 1..12"),
        ("[", "is not YAML"),
        ("? [1, 2]\n: 3", "is not YAML"),
        ("- 1", "must hold keys and values"),
        ("", "must hold keys and values"),
    ],
)
def test_bad_input_is_one_line_that_says_what_and_where(text, says):
    with pytest.raises(InputError) as caught:
        config.parse(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_soak_may_last_as_long_as_the_timeout_leaves():
    found = config.parse(GOOD + "measure: {soak_s: 580}\nlimits: {point_timeout_s: 601}\n")
    assert found.measure.longest_s == 600
    assert config.parse(GOOD + "limits: {point_timeout_s: 5}\n").measure.soak_s == 0


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read \(No such file"):
        config.load(tmp_path / "none.yaml")


def test_a_file_that_is_not_text(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        config.load(tmp_path / "x.yaml")


def test_differences_are_named_by_dotted_key():
    old, new = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 1, "c": 4}, "e": 5}
    assert config.differences(old, new) == {"a.c": (2, 4), "d": (3, None), "e": (None, 5)}
