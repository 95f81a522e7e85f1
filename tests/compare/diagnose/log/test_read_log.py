"""Logs as people write them, and what is said of those that cannot be read."""

import numpy as np
import pytest

from compare.diagnose.log import read_log
from compare.diagnose.log.columns import of_columns
from compare.diagnose.log.read_log import of_dataset, read
from theory.simulation.simulate import simulate


def write(folder, text):
    path = folder / "log.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_go_by_many_names(tmp_path):
    text = "Global Step,train/loss,LR,wd,param_norm,Train.Grad-Norm,Optim\n"
    found = read(write(tmp_path, text + "0,2.5,0.1,1e-3,7,3,AdamW\n10,2.0,0.1,1e-3,6,2,AdamW\n"))
    assert found.step.tolist() == [0, 10] and found.every == 10
    assert found.loss.tolist() == [2.5, 2.0]
    assert found.learning_rate.tolist() == [0.1, 0.1]
    assert found.weight_decay.tolist() == [1e-3, 1e-3]
    assert found.weight_norm.tolist() == [7, 6]
    assert found.grad_norm.tolist() == [3, 2]
    assert found.optimizer == "adamw" and found.adaptive


@pytest.mark.parametrize("separator", [";", "\t", ","])
def test_columns_are_parted_by_what_the_header_shows(tmp_path, separator):
    text = "step,train loss,wd,optimizer\n0,2.5,1e-3,sgd\n1,.5,1e-3,sgd\n"
    found = read(write(tmp_path, "\n" + text.replace(",", separator)))
    assert found.loss.tolist() == [2.5, 0.5] and found.weight_decay.tolist() == [1e-3] * 2
    assert found.optimizer == "sgd" and found.notes == ()


def test_with_semicolons_numbers_may_have_a_decimal_comma(tmp_path):
    text = "step;loss;wd;optimizer\n0;2,5;1,5e-3;sgd, plain\n1;-,5;0.25;sgd, plain\n"
    found = read(write(tmp_path, text))
    assert found.loss.tolist() == [2.5, -0.5] and found.weight_decay.tolist() == [1.5e-3, 0.25]
    assert found.optimizer == "sgd, plain"
    with pytest.raises(ValueError, match=r"loss holds what is no number .*1\.234,5"):
        read(write(tmp_path, "step;loss\n0;1.234,5\n"))


def test_columns_that_were_not_used_are_named(tmp_path):
    found = read(write(tmp_path, "iter,train_loss,Loss,norm\n0,1,2,3\n1,1,2,3\n"))
    assert found.loss.tolist() == [2, 2] and found.weight_norm is None
    assert found.notes == (
        "columns that were not used: train_loss, norm; for norm to count, call it by what it is "
        "the norm of: weight_norm, grad_norm or last_layer_norm",
    )
    many = {"step": [0, 1], "loss": [1, 1], **{f"x{i}": [0, 0] for i in range(20)}}
    (said,) = of_columns(many).notes
    assert said == "columns that were not used: x0, x1, x2, x3, x4, x5 and 14 more"


def test_rows_without_a_loss_are_left_out_and_gaps_are_closed(tmp_path):
    text = "step,loss,grad_norm,weight_norm\n0,3,1,5\n1,,2,\n2,2,,\n3,1,4,\n4,inf,9,\n5,1,9,\n"
    found = read(write(tmp_path, text))
    assert found.step.tolist() == [0, 2, 3]
    assert found.grad_norm.tolist() == [1, 3, 4]
    assert found.weight_norm is None  # one in three is too few
    assert len(found.notes) == 3 and "infinite at step 4" in found.notes[1]
    assert "weight_norm has a number in 33 % of the rows" in found.notes[2]


def test_rows_of_one_step_are_joined():
    """As a logger writes them that gives the learning rate a row of its own."""
    nan = np.nan
    step, loss = [9, 9, 19, 19, 29], [nan, 3.0, 2.0, nan, 1.0]
    found = of_columns({"step": step, "loss": loss, "lr": [0.1, nan, nan, 0.2, 0.3]})
    assert found.step.tolist() == [9, 19, 29] and found.loss.tolist() == [3, 2, 1]
    assert found.learning_rate.tolist() == [0.1, 0.2, 0.3]
    assert found.notes == ()


def test_columns_with_rows_of_their_own_are_read_at_the_steps_of_the_loss():
    nan = np.nan
    log = {"step": [8, 10, 18, 20], "loss": [nan, 3.0, nan, 2.0], "lr": [0.1, nan, 0.2, nan]}
    assert of_columns(log).learning_rate == pytest.approx([0.12, 0.2])


def test_what_a_resumed_run_repeats_counts_once():
    log = {"step": [0, 10, 20, 30, 20, 30, 40], "loss": [7, 6, 5, 4, 3, 2, 1]}
    found = of_columns(log)
    assert found.step.tolist() == [0, 10, 20, 30, 40]
    assert found.loss.tolist() == [7, 6, 3, 2, 1]
    assert found.notes[0].startswith("2 rows were left out because their steps came again")


def test_rows_without_a_loss_may_come_late():
    """As a summary at the end, or a validation that is logged after the next steps."""
    nan = np.nan
    log = {"step": [0, 1, 2, 3, 1, 0], "loss": [4, 3, 2, 1, nan, nan], "lr": [1, 1, nan, 1, 2, nan]}
    found = of_columns(log)
    assert found.loss.tolist() == [4, 3, 2, 1] and found.notes == ()
    assert found.learning_rate.tolist() == [1, 2, 1.5, 1]


def test_a_column_is_used_only_where_it_was_logged():
    nan = np.nan
    loss = [3, 2, 1, 2, np.inf, 1, 1, 1]
    late = {"step": range(8), "loss": loss, "lr": [nan] * 4 + [1, 1, 1, 1]}
    assert of_columns(late).learning_rate is None  # all of it after the loss was infinite
    start = {"step": range(8), "loss": [1] * 8, "lr": [1, 2, 3] + [nan] * 5}
    assert of_columns(start).learning_rate is None


def test_steps_in_an_epoch_that_were_given_replace_those_that_were_told():
    log = of_columns({"step": [0, 1], "loss": [1, 1], "batch_size": 128, "data_size": 1437})
    assert log.steps_per_epoch == 12
    assert read_log.supplied(log, steps_per_epoch=11).steps_per_epoch == 11


def test_a_last_row_that_was_cut_short_is_left_out(tmp_path):
    found = read(write(tmp_path, "step,loss,lr\n0,2,0.1\n1,1,0.1\n2,"))
    assert found.step.tolist() == [0, 1]
    assert found.notes == ("the last row, 4, was cut short and left out",)


def test_what_the_log_holds_is_not_replaced():
    log = of_columns({"step": [0, 1, 2], "loss": [1, 1, 1], "lr": [0.1, 0.2, 0.3]})
    found = read_log.supplied(log, learning_rate=0.5, weight_decay=1e-3, optimizer="sgd")
    assert found.learning_rate.tolist() == [0.1, 0.2, 0.3]
    assert found.weight_decay.tolist() == [1e-3] * 3 and found.optimizer == "sgd"
    assert found.notes == ("the learning_rate that was given was not used: the log has its own",)


@pytest.mark.parametrize(
    ("name", "adaptive"),
    [
        ("SGD with momentum", False),
        ("torch.optim.SGD", False),
        ("sgdm", False),
        ("torch.optim.AdamW", True),
        ("Adafactor", True),
        ("lion", None),
        ("", None),
    ],
)
def test_optimizers_go_by_what_their_names_say(name, adaptive):
    log = {"step": [0, 1], "loss": [1, 1], "optimizer": name}
    assert of_columns(log).adaptive is adaptive


@pytest.mark.parametrize(
    ("columns", "length"),
    [
        ({"epoch": [0, 0, 0, 1, 1, 1, 2, 2]}, 3),
        ({"epoch": np.arange(8) / 2.5}, 2.5),
        ({"epoch": [0, 0, 0, 1, 1, np.nan, 2, 2]}, 3),
        ({"epoch": [0, 3, 6, 9, 12, 15, 18, 21]}, 1 / 3),
        ({"batch_size": 128, "data_size": 1437}, 12),
        ({"batch_size": 256, "data_size": 400}, 2),
        ({"batch_size": 100, "data_size": 100}, 1),
        ({"steps_per_epoch": 391}, 391),
        ({}, None),
    ],
)
def test_the_epoch_has_a_length(columns, length):
    log = {"step": np.arange(8), "loss": np.ones(8)}
    assert of_columns(log | columns).steps_per_epoch == pytest.approx(length)


def test_a_dataset_tells_the_gradient_of_the_weights():
    toy = simulate("isotropic", 0.1, 0.1, n_steps=60)
    found = of_dataset(toy)
    g = toy["effective_grad_norm"].values[0]
    np.testing.assert_allclose(found.grad_norm * found.weight_norm, g)
    assert found.optimizer == "sgd" and found.momentum == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("step,loss\n", "is empty"),
        ("step,accuracy\n0,1\n", "has no column loss"),
        ("loss\n1\n", "has no column step"),
        ("step,loss\n0,1\n1,high\n", "column loss holds what is no number"),
        ("step,loss,lr\n0,1,1\n1,2\n2,1,1\n", "3 columns in its header and fewer in row 3"),
        ("step,loss\n0\n", "is empty"),
        ("step,loss\n0,1\n1,1\n0,1\n1,1\n0,1\n", "after step 1 comes 0"),
        ("step,loss,batch_size,data_size\n0,1,0,9\n1,1,0,9\n", "must be above 0, got 0, 9"),
        ("step,loss\n0,1\n1,2,3\n", "2 columns in its header and 3 in row 3"),
        ("step,loss\n0,\n1,nan\n", "no row with a step and a finite loss"),
        ("step,loss\n0,\n1,\n", "no row with a step and a loss"),
        ("step,loss,lr\n0,1,-1\n1,1,-1\n", "learning_rate must not be negative, got -1"),
        ("step,loss,lr,wd\n0,1,2,1\n1,1,2,1\n", "lr times wd must be below 1, got 2"),
        ("step,loss,beta2\n0,1,1\n1,1,1\n", "beta2 must be from 0 to below 1, got 1"),
        ("step,loss,steps_per_epoch\n0,1,0\n1,1,0\n", "steps_per_epoch must be above 0, got 0"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        read(write(tmp_path, text))


def test_a_file_larger_than_memory_is_refused_while_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(read_log, "MOST_VALUES", 8)
    monkeypatch.setattr(read_log, "LONGEST_LINE", 40)
    log = write(tmp_path, "step,loss,other\n" + "".join(f"{i},1,x\n" for i in range(4)))
    with pytest.raises(ValueError, match="more than the 8 values that can be read"):
        read(log)  # a header and four rows of two columns that say something
    log = write(tmp_path, "step,loss,other\n" + "".join(f"{i},1,x\n" for i in range(3)))
    assert read(log).step.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="a line of more than 40 characters"):
        read(write(tmp_path, "step,loss\n" + "1," * 40))


@pytest.mark.parametrize("beta2", [0.98, np.nan])
def test_the_file_of_a_monitor_holds_one_number_for_the_second_moment(beta2):
    toy = simulate("isotropic", 0.1, 0.1, n_steps=60)
    toy["beta2"] = ("run", [beta2])
    assert of_dataset(toy).beta2 == (beta2 if beta2 == beta2 else None)


def test_blank_rows_after_the_last_loss_are_those_of_a_test_and_a_text_that_is_no_number_is_lost(
    tmp_path,
):
    rows = [f"{step},1.{step % 7}" for step in range(100)]
    log = tmp_path / "log.csv"
    for more, lost_at in ((["100,"] * 4, None), (["100,nan"], 100), (["100,nan", "101,"], 100)):
        log.write_text("\n".join(["step,loss", *rows, *more]))
        signals = read(log)
        assert (signals.lost_at, signals.n_records) == (lost_at, 100)


def test_what_spreadsheets_write_is_read(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("sep=;\nstep;loss\n0;1,5\n1;0,5\n")
    assert read(log).loss.tolist() == [1.5, 0.5]
    log.write_text("step\tloss\n0\t1,5\n1\t0,5\n")
    assert read(log).loss.tolist() == [1.5, 0.5]
    log.write_text("step,loss,loss,\n0,1.5,,\n1,0.5,,\n")
    found = read(log)
    assert found.loss.tolist() == [1.5, 0.5] and found.notes == ()
