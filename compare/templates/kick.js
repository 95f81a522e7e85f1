"use strict";
// The closed forms and the kick model, as in theory/equilibrium.py and theory/reduced.py, which
// the tests hold against this file. Names of results are those of the data.

const kick = (() => {
  const SMALLEST_RISE = 0.05, SMALLEST_DROP = 0.125, PERIODIC_SHARE = 0.25;
  const line = (law, intrinsic) => law.at_one + law.slope * Math.log(intrinsic);
  const decayRate = intrinsic => -2 * Math.log1p(-intrinsic);
  const growingShare = y => Math.sqrt(y * y + y) - y;
  const meanKick = (model, intrinsic) => Math.max(line(model.kick, intrinsic), SMALLEST_RISE);
  const firstRise = (model, lr) => Math.max(
    model.first_onset + model.first_kick - Math.log(lr / model.initial_norm ** 2), SMALLEST_RISE);

  // Where the norm rests if the gradients keep their mean square.
  function equilibrium(lr, wd, meanSquaredG) {
    const intrinsic = lr * wd;
    const norm = (lr * meanSquaredG / (wd * (2 - intrinsic))) ** 0.25;
    return {
      equilibrium_norm: norm,
      equilibrium_effective_lr: lr / norm ** 2,
      angular_update: 2 * Math.asin(Math.sqrt(intrinsic / 2)),
      relaxation_steps: 1 / (4 * intrinsic),
    };
  }

  // Effective learning rate on the way there: rho^4 relaxes exponentially.
  function relaxing(lr, wd, meanSquaredG, initialNorm, step) {
    const rest = equilibrium(lr, wd, meanSquaredG).equilibrium_norm ** 4;
    const fourth = rest + (initialNorm ** 4 - rest) * Math.exp(-4 * lr * wd * step);
    return lr / Math.sqrt(fourth);
  }

  function predict(model, lr, wd) {
    const intrinsic = lr * wd, rate = decayRate(intrinsic);
    const mean = meanKick(model, intrinsic), onset = line(model.onset, intrinsic);
    const during = rate * model.kick_time;
    const drop = (Math.sqrt(mean + during) - Math.sqrt(during)) ** 2;
    return {
      period: mean / rate,
      first_jump: firstRise(model, lr) / rate,
      effective_lr_before_jump: Math.exp(onset),
      effective_lr_after_jump: Math.exp(onset - drop),
      regime: growingShare(during / mean) < PERIODIC_SHARE ? "periodic" : "equilibrium",
    };
  }

  // Cycles without scatter: where each starts, how long it lasts, and its kick.
  function cycles(model, lr, wd, count) {
    const intrinsic = lr * wd, rate = decayRate(intrinsic), mean = meanKick(model, intrinsic);
    const smallest = SMALLEST_DROP + 2 * Math.sqrt(SMALLEST_DROP * rate * model.kick_time);
    const found = [];
    let start = 0, logElr = Math.log(lr / model.initial_norm ** 2);
    let size = model.first_kick, length = firstRise(model, lr) / rate;
    while (found.length < count) {
      found.push({ start, length, kick: size, log_elr: logElr });
      start += length;
      logElr += rate * length - size;
      size = Math.max(mean + model.sensitivity * (logElr - line(model.onset, intrinsic)), smallest);
      length = mean / rate;
    }
    return found;
  }

  // ln(elr) in a cycle, s steps after its onset: u + r s - K (1 + s0/T) s / (s + s0).
  function within(model, rate, cycle, s) {
    const full = cycle.kick * (1 + model.kick_time / cycle.length);
    return cycle.log_elr + rate * s - full * s / (s + model.kick_time);
  }

  return { decayRate, equilibrium, relaxing, predict, cycles, within };
})();
