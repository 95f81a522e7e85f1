"""What trajectories hold: settings, what is recorded at every step, and what now and then."""

from __future__ import annotations

from theory.vocabulary.variable import Variable

TRAJECTORIES: dict[str, Variable] = {
    "learning_rate": Variable("learning rate", "η"),
    "weight_decay": Variable("weight decay", "λ"),
    "intrinsic_lr": Variable("intrinsic learning rate", "ηλ"),
    "momentum": Variable("momentum", "m"),
    "variant": Variable("variant"),
    "update_rule": Variable("update rule"),
    "step": Variable("optimizer step", "t", "steps"),
    "eval_step": Variable("optimizer step of an evaluation", "t", "steps"),
    "cycle": Variable("period, counted from the first rise", "k"),
    "ensemble_size": Variable("number of minima together", "k"),
    "epoch": Variable("epoch", "e", "epochs"),
    "n_steps": Variable("optimizer steps done", "N", "steps"),
    "step_learning_rate": Variable("learning rate of the step", "η_t"),
    "weight_norm": Variable("weight norm", "ρ"),
    "effective_lr": Variable("effective learning rate", "η/ρ²"),
    "effective_grad_norm": Variable("effective gradient norm", "g"),
    "angular_update": Variable("angle between successive weights", "θ", "rad"),
    "effective_update_norm": Variable("effective update norm", "|z|"),
    "radial_update": Variable("radial part of the effective update", "⟨u, z⟩"),
    "train_loss": Variable("training loss", "L", "nats"),
    "n_weights": Variable("number of scale-invariant weights", "C"),
    "beta1": Variable("decay of the first moment", "β₁"),
    "beta2": Variable("decay of the second moment", "β₂"),
    "effective_grad_sum": Variable("sum of root mean square effective gradients", "s"),
    "test_loss": Variable("test loss", "L_test", "nats"),
    "test_error": Variable("test error", "E_test"),
    "layer_weight_norm": Variable("weight norm of a layer", "ρ_l"),
    "layer_effective_grad_norm": Variable("effective gradient norm of a layer", "g_l"),
    "direction_sketch": Variable("random projection of the direction of the weights", "S u"),
    "test_probability": Variable("class probabilities of test examples", "p"),
    "test_label": Variable("class of test examples", "y"),
    "probe_loss": Variable("loss on fixed training examples", "L", "nats"),
    "probe_effective_grad_norm": Variable("effective gradient norm on fixed examples", "g"),
    "spherical_sharpness": Variable("spherical sharpness on fixed examples", "S"),
    "spherical_sharpness_residual": Variable("residual of the sharpness's eigenvector", "r"),
}
