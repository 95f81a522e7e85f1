"use strict";
// The closed forms and the kick model, as in theory/equilibrium.py and theory/reduced.py, which
// the tests hold against this file. Names of results are those of the data.

const kick = (() => {
  const SMALLEST_RISE = 0.05, JUMP_LOG_ELR = 0.1, SMALLEST_DROP = 1.25 * JUMP_LOG_ELR;
  const LARGEST_DROP = 0.99, SMALLEST_SPREAD = 0.01, PERIODIC_SHARE = 0.25, TYPICAL_CYCLES = 10;
  const line = (law, intrinsic) => law.at_one + law.slope * Math.log(intrinsic);
  const decayRate = intrinsic => -2 * Math.log1p(-intrinsic);

  // The normal distribution function, to 1e-7 (Abramowitz and Stegun 7.1.26).
  function normal(x) {
    const t = 1 / (1 + 0.3275911 * Math.abs(x) / Math.SQRT2);
    const series = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592];
    const tail = t * series.reduce((sum, c) => sum * t + c, 0) * Math.exp(-x * x / 2) / 2;
    return x > 0 ? 1 - tail : tail;
  }

  function firstRise(model, lr, intrinsic) {
    const climb = line(model.first_reach, intrinsic) - Math.log(lr / model.initial_norm ** 2);
    return Math.max(climb, SMALLEST_RISE);
  }

  // Rate r, kick K, onset, drop and kick time s0 of the mean cycle.
  function meanCycle(model, intrinsic) {
    const rate = decayRate(intrinsic), onset = line(model.onset, intrinsic);
    const size = Math.max(line(model.kick, intrinsic) + rate * model.recovery, SMALLEST_RISE);
    const wanted = Math.max(onset - line(model.landing, intrinsic), JUMP_LOG_ELR);
    const drop = Math.min(wanted, LARGEST_DROP * size);
    const kick_time = (size - drop) ** 2 / (4 * drop * rate);
    return { rate, kick: size, onset, drop, kick_time, period: size / rate };
  }

  // The most probable regime of a run of ten periods behind its first jump.
  function regime(model, intrinsic, firstJump, period) {
    const length = firstJump + TYPICAL_CYCLES * period;
    const spreadOfFirst = Math.max(model.first_variation, SMALLEST_SPREAD);
    const jumps = normal((length / firstJump - 1) / spreadOfFirst);
    const spread = Math.hypot(model.growth_scatter / Math.sqrt(TYPICAL_CYCLES), model.growth_error);
    const border = Math.log(PERIODIC_SHARE ** 2 / (1 - 2 * PERIODIC_SHARE));
    const above = (border - line(model.growth, intrinsic)) / Math.max(spread, SMALLEST_SPREAD);
    const chances = {
      periodic: jumps * normal(above),
      equilibrium: jumps * normal(-above),
      convergence: 1 - jumps,
    };
    const [name, chance] = Object.entries(chances).reduce((a, b) => (b[1] > a[1] ? b : a));
    return { regime: name, regime_probability: chance };
  }

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
    const cycle = meanCycle(model, lr * wd), first = firstRise(model, lr, lr * wd) / cycle.rate;
    return {
      period: cycle.period,
      first_jump: first,
      effective_lr_before_jump: Math.exp(cycle.onset),
      effective_lr_after_jump: Math.exp(cycle.onset - cycle.drop),
      ...regime(model, lr * wd, first, cycle.period),
    };
  }

  // Cycles without scatter, as in theory/kick_paths.py: start, length, kick and s0 of each.
  function cycles(model, lr, wd, count) {
    const { rate, kick: mean, onset, kick_time, period } = meanCycle(model, lr * wd);
    const seen = SMALLEST_DROP + 2 * Math.sqrt(SMALLEST_DROP * rate * kick_time);
    const smallest = Math.min(seen, mean); // more would carry the norm away
    const found = [];
    let start = 0, logElr = Math.log(lr / model.initial_norm ** 2);
    let size = model.first_kick, length = firstRise(model, lr, lr * wd) / rate;
    while (found.length < count) {
      found.push({ start, length, kick: size, kick_time, rate, log_elr: logElr });
      start += length;
      logElr += rate * length - size;
      size = Math.max(mean + model.sensitivity * (logElr - onset), smallest);
      length = period;
    }
    return found;
  }

  // ln(elr) in a cycle, s steps after its onset: u + r s - K (1 + s0/T) s / (s + s0).
  function within(cycle, s) {
    const full = cycle.kick * (1 + cycle.kick_time / cycle.length);
    return cycle.log_elr + cycle.rate * s - full * s / (s + cycle.kick_time);
  }

  return { equilibrium, relaxing, predict, cycles, within };
})();
