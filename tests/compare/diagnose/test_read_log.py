"""Logs as people write them, and what is said of those that cannot be read."""

import numpy as np
import pytest

from compare.diagnose import read_log
from compare.diagnose.columns import of_columns
from compare.diagnose.read_log import of_dataset, read
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


def test_rows_without_a_loss_are_left_out_and_gaps_are_closed(tmp_path):
    text = "step,loss,grad_norm,weight_norm\n0,3,1,5\n1,,2,5\n2,2,,\n3,1,4,\n4,inf,9,\n5,1,9,\n"
    found = read(write(tmp_path, text))
    assert found.step.tolist() == [0, 2, 3]
    assert found.grad_norm.tolist() == [1, 3, 4]
    assert found.weight_norm is None  # one in three is too few
    assert len(found.notes) == 2 and "infinite at step 4" in found.notes[1]


@pytest.mark.parametrize(
    ("columns", "length"),
    [
        ({"epoch": [0, 0, 0, 1, 1, 1, 2, 2]}, 3),
        ({"batch_size": 128, "data_size": 1437}, 11),
        ({"batch_size": 100, "data_size": 100}, 1),
        ({"steps_per_epoch": 391}, 391),
        ({}, None),
    ],
)
def test_the_epoch_has_a_length(columns, length):
    log = {"step": np.arange(8), "loss": np.ones(8)}
    assert of_columns(log | columns).steps_per_epoch == length


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
        ("step,loss\n0,1\n0,1\n", "step 0 does not follow a smaller one"),
        ("step,loss\n0,1\n1,2,3\n", "2 columns in its header and 3 in row 3"),
        ("step,loss\n0,\n1,nan\n", "no row with a step and a loss"),
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
