"""Toy kernels side by side with C, NumPy and each other; ratios of medians within one run.

    python benchmarks/toys.py

The C code has the same layout (blocks of 64 lanes, or one fused sweep) and is compiled with the
compiler found on this machine, in four sets of flags of which the fastest counts. With noise it is
built with the processor's roots and with Newton steps instead, eight builds in all.
"""

from __future__ import annotations

import ctypes
import importlib.util
import itertools
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numba
import numpy as np
from scoreboard import show
from targets import Found
from timing import alternate

from theory.simulation import toy_ensemble
from theory.simulation.toy_ensemble import Dynamics
from theory.toy_losses import losses

ROUNDS, EVERY, RATE, DECAY = 11, 100, 1e-3, 1e-2
FLAGS = [
    [*precision, *width]
    for precision, width in itertools.product(
        (["-fno-math-errno"], ["-ffast-math"]), ([], ["-mprefer-vector-width=512"])
    )
]

NORMALS = """
static inline double dbl(uint64_t b){double d;memcpy(&d,&b,8);return d;}
static inline int64_t bits(double d){int64_t b;memcpy(&b,&d,8);return b;}
static inline double ln(double u){
 int64_t o=bits(u)-0x3FE6A09E667F3BCDLL,k=o>>52;double f=dbl(bits(u)-(k<<52))-1.0,z=f*f;
 TERMS return (double)k*0.6931471805599453+f*(p+q*f);}
#ifdef NEWTON
static inline double rough(double s){double y=dbl(0x5FE6EB50C7B537A9LL-(bits(s)>>1)),h=.5*s;
 y*=1.5-h*y*y;y*=1.5-h*y*y;return y*(1.5-h*y*y);}
static inline double inv(double s){double y=rough(s);y+=.5*y*(1-s*y*y);return y*y;}
static inline double root(double s){return s*rough(s);}
#else
static inline double inv(double s){return 1/s;}
static inline double root(double s){return sqrt(s);}
#endif
"""
LOG = [
    0.06572327158522023, -0.11620648400270368, 0.11945878227356821, -0.12420821262732773,
    0.1421229125042129, -0.16666555575670008, 0.20002535640193383, -0.2500006237443588,
    0.3333330266101698, -0.49999999414017127, 1.0000000006010195,
]  # fmt: skip
SINE = [
    -0.007028303855203096, 0.08205035020147247, -0.599252186531583, 2.550163317938427,
    -5.167712764593, 3.141592653536132,
]  # fmt: skip
COSINE = [
    -0.024395932097550446, 0.2349370685950865, -1.3352119493905503, 4.058709154763134,
    -4.934802136928946, 0.999999999779154,
]  # fmt: skip


def horner(name: str, variable: str, numbers: list[float]) -> str:
    steps = "".join(f"{name}={name}*{variable}+({c!r});" for c in numbers[1:])
    return f"double {name}={numbers[0]!r};{steps}"


def lanes_c(alphas: list[float], *, noise: bool) -> str:
    """C source with the layout of the generated kernels."""
    d = len(alphas)
    load = "".join(f"double p{k}=x[{k}][i],u{k}=p{k}*p{k};" for k in range(d))
    square = "+".join(f"u{k}" for k in range(d))
    form = "+".join(f"{a!r}*u{k}" for k, a in enumerate(alphas) if a)
    if noise:
        step = (
            f"double e=rate[i]*r,c=a[i]+e*r*({form});"
            f"double R=r*({'+'.join(f'p{k}*z{k}' for k in range(d))}),q=rate[i]*sigma;"
            + "".join(f"x[{k}][i]=p{k}*(c-{a!r}*e)-q*(z{k}-p{k}*R);" for k, a in enumerate(alphas))
        )
    else:
        step = f"double r=1/({square}),e=rate[i]*r,c=a[i]+e*r*({form});" + "".join(
            f"x[{k}][i]=p{k}*(c-{a!r}*e);" for k, a in enumerate(alphas)
        )
    draw = (
        f"double r=inv({square});uint64_t s0=s[0][i],s1=s[1][i],s2=s[2][i],s3=s[3][i],t;"
        + "".join(
            f"uint64_t w{k}=s0+s3;t=s1<<17;s2^=s0;s3^=s1;s1^=s2;s0^=s3;s2^=t;s3=s3<<45|s3>>19;"
            for k in (0, 1)
        )
        + "s[0][i]=s0;s[1][i]=s1;s[2][i]=s2;s[3][i]=s3;"
        "double m=root(fmax(-2*ln(2-dbl(w0>>12|0x3FF0000000000000ULL)),0)*r);"
        "double h=dbl(w1>>12|0x3FF0000000000000ULL)-1.5,y=h*h;"
        + horner("si", "y", SINE)
        + horner("co", "y", COSINE)
        + "si*=h;double z0=m*2*si*co,z1=m*(1-2*si*si);"
    )
    helpers = NORMALS.replace("TERMS", horner("p", "z", LOG[::2]) + horner("q", "z", LOG[1::2]))
    return f"""#include <math.h>
#include <stdint.h>
#include <string.h>
{helpers}
#define A __attribute__((aligned(64)))
void run(long n,long steps,double*w,const double*rate_,const double*lam,double sigma,
 double*rho,double*g,double*loss){{
 for(long b=0;b<n;b+=64){{ double x[{d}][64] A,rate[64] A,a[64] A;uint64_t s[4][64] A;
  for(int i=0;i<64;i++){{{"".join(f"x[{k}][i]=w[{k}*n+b+i];" for k in range(d))}
   rate[i]=rate_[b+i];a[i]=1-rate[i]*lam[b+i];
   for(int k=0;k<4;k++)s[k][i]=(b+i+1)*0x9E3779B97F4A7C15ULL*(k+1);}}
  for(long r=0;r*{EVERY}<steps;r++){{
   for(int i=0;i<64;i++){{{load}double S={square},q=({form})/S;
    rho[r*n+b+i]=sqrt(S);loss[r*n+b+i]=.5*q;g[r*n+b+i]=sqrt(({
        "+".join(f"u{k}*({a!r}-q)*({a!r}-q)" for k, a in enumerate(alphas))
    })/S);}}
   for(long t=0;t<{EVERY};t++)
    for(int i=0;i<64;i++){{{load}{draw if noise else ""}{step}}} }}
  for(int i=0;i<64;i++){{{"".join(f"w[{k}*n+b+i]=x[{k}][i];" for k in range(d))}}} }} }}
"""


def sweep_c(alphas: list[float]) -> str:
    """C source of the fused sweep over many weights."""
    d = len(alphas)
    return f"""#include <math.h>
static const double al[{d}] __attribute__((aligned(64)))={{{",".join(map(repr, alphas))}}};
void run(long n,long steps,double*w,const double*rate,const double*lam,double sigma,
 double*rho,double*g,double*loss){{
 for(long b=0;b<n;b++){{ double x[{d}] __attribute__((aligned(64))),S=0,N=0,a=1-rate[b]*lam[b];
  for(int k=0;k<{d};k++){{x[k]=w[k*n+b];S+=x[k]*x[k];N+=al[k]*x[k]*x[k];}}
  for(long t=0;t<steps;t++){{
   if(t%{EVERY}==0){{long r=t/{EVERY};double q=N/S,T=0;rho[r*n+b]=sqrt(S);loss[r*n+b]=.5*q;
    for(int k=0;k<{d};k++)T+=x[k]*x[k]*(al[k]-q)*(al[k]-q);g[r*n+b]=sqrt(T/S);}}
   double e=rate[b]/S,c=a+e*N/S;S=0;N=0;
   for(int k=0;k<{d};k++){{double y=x[k]*(c-e*al[k]);x[k]=y;y*=y;S+=y;N+=al[k]*y;}} }}
  for(int k=0;k<{d};k++)w[k*n+b]=x[k]; }} }}
"""


def compiled(code: str, folder: Path, name: str) -> list[Callable[..., None]]:
    """The C function for each set of flags; empty without a compiler."""
    roots = ([], ["-DNEWTON"]) if "inv(" in code.split("#define A")[-1] else ([],)
    builds = [[*flags, *root] for flags in FLAGS for root in roots]
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    found = []
    for k, flags in enumerate(builds if compiler else []):
        source, library = folder / f"{name}.c", folder / f"{name}{k}.so"
        source.write_text(code)
        # linked without the flags: -ffast-math there would switch denormals off in this process
        compile_it = [compiler, "-O3", "-march=native", *flags, "-fPIC", "-c", source]
        done = subprocess.run([*compile_it, "-o", library.with_suffix(".o")], capture_output=True)
        if done.returncode == 0:
            link = [compiler, "-shared", "-o", library, library.with_suffix(".o"), "-lm"]
            done = subprocess.run(link, capture_output=True)
        if done.returncode == 0:
            found.append(ctypes.CDLL(str(library)).run)
    return found


class Case:
    """One loss, its start, and every way to run it."""

    def __init__(self, name, alphas, n, steps, folder, *, noise=0.0):
        self.name, self.steps, self.n, self.noise = name, steps, n, noise
        self.alphas = np.array(alphas)
        self.loss = losses.rayleigh(alphas)
        self.start = np.random.default_rng(0).normal(size=(len(alphas), n))
        self.rate, self.decay = np.full(n, RATE), np.full(n, DECAY)
        self.tables = [np.empty((-(-steps // EVERY), n)) for _ in range(3)]
        many = len(alphas) > 64
        code = sweep_c(alphas) if many else lanes_c(alphas, noise=bool(noise))
        self.ways = {"numba": self.numba(Dynamics(noise=noise, safe=False))}
        if not noise:
            self.ways["safe"] = self.numba(Dynamics(safe=True))
        for k, function in enumerate(compiled(code, folder, name.replace(" ", "_"))):
            self.ways[f"C{k}"] = self.c(function)
        if importlib.util.find_spec("jax"):
            self.ways["JAX"] = self.jax_way()

    def numba(self, dynamics):
        kernel = toy_ensemble.kernel(self.loss, dynamics)

        def go():
            w = self.start.copy()
            kernel(
                w, np.zeros((1, 1)), self.rate, self.decay, np.ones(self.n), np.arange(self.n),
                np.ones(1), 0.0, float(self.noise), self.steps, EVERY, *self.tables,
                np.empty((0, len(w), self.n)),
            )  # fmt: skip
            return w

        return go

    def c(self, function):
        def pointer(array):
            return array.ctypes.data_as(ctypes.c_void_p)

        def go():
            w = self.start.copy()
            function(
                ctypes.c_long(self.n), ctypes.c_long(self.steps), pointer(w), pointer(self.rate),
                pointer(self.decay), ctypes.c_double(self.noise), *map(pointer, self.tables),
            )  # fmt: skip
            return w

        return go

    def numpy_ns(self, steps: int) -> float:
        """ns per trajectory-step of a NumPy loop over steps, vectorised over the ensemble."""
        w, rng, alphas = self.start.copy(), np.random.default_rng(0), self.alphas[:, None]
        began = time.perf_counter()
        for _ in range(steps):
            s = (w * w).sum(0)
            gradient = w * (alphas - (alphas * w * w).sum(0) / s) / s
            if self.noise:
                z = rng.standard_normal(w.shape)
                gradient += self.noise / np.sqrt(s) * (z - w * (w * z).sum(0) / s)
            w = (1 - self.rate * self.decay) * w - self.rate * gradient
        return (time.perf_counter() - began) / steps / self.n * 1e9

    def jax_way(self) -> Callable[[], np.ndarray]:
        """The same steps in JAX: a compiled scan over steps, vectorised over the ensemble."""
        import jax

        jax.config.update("jax_enable_x64", True)
        jax.config.update("jax_platforms", "cpu")  # where the others run
        alphas, rate, decay = (jax.numpy.asarray(x) for x in (self.alphas, self.rate, self.decay))

        def step(w, key):
            s = (w * w).sum(0)
            gradient = w * (alphas[:, None] - (alphas[:, None] * w * w).sum(0) / s) / s
            if self.noise:
                z = jax.random.normal(key, w.shape)
                gradient += self.noise / jax.numpy.sqrt(s) * (z - w * (w * z).sum(0) / s)
            return (1 - rate * decay) * w - rate * gradient, None

        @jax.jit
        def run(w, key):
            keys = jax.random.split(key, self.steps) if self.noise else None
            return jax.lax.scan(step, w, keys, length=self.steps, unroll=8)[0]

        start, key = jax.numpy.asarray(self.start), jax.random.key(0)
        return lambda: np.asarray(run(start, key))

    def medians(self) -> dict[str, float]:
        """ns per trajectory-step of each way, alternating; C is the fastest of its builds."""
        reference = {way: go() for way, go in self.ways.items()}
        if not self.noise:
            for way, found in reference.items():
                np.testing.assert_allclose(
                    found, reference["numba"], rtol=1e-6, atol=1e-300, err_msg=way
                )
        seconds = alternate(self.ways, rounds=ROUNDS)
        ns = {way: value / self.steps / self.n * 1e9 for way, value in seconds.items()}
        builds = [value for way, value in ns.items() if way[0] == "C"]
        return {way: v for way, v in ns.items() if way[0] != "C"} | (
            {"C": min(builds)} if builds else {}
        )


def compare(case: Case) -> Iterator[tuple[str, Found]]:
    """Print one case's times and yield its ratios, or why there is none."""
    ns = case.medians()
    ns["NumPy"] = case.numpy_ns(200)
    print(f"{case.name}: " + ", ".join(f"{way} {value:.3g} ns" for way, value in ns.items()))
    for other, missing in (("C", "no C compiler found"), ("JAX", "jax is not installed")):
        found = ns["numba"] / ns[other] if other in ns else missing
        yield f"{case.name}: Numba over {other}", found
    if "safe" in ns:
        yield f"{case.name}: safe over plain", ns["safe"] / ns["numba"]


def million_steps(dynamics: Dynamics) -> float:
    """Seconds for 1000 trajectories of 10^6 steps at d = 2 on all cores, compiled already."""
    loss, n = losses.rayleigh([0.0, 1.0]), 1000
    weights = np.random.default_rng(0).normal(size=(2, n))
    options = {"learning_rate": np.full(n, RATE), "weight_decay": np.full(n, 1.0)}
    toy_ensemble.run(loss, weights, **options, n_steps=1000, record_every=1000, dynamics=dynamics)
    began = time.perf_counter()
    toy_ensemble.run(loss, weights, **options, n_steps=10**6, record_every=1000, dynamics=dynamics)
    return time.perf_counter() - began


def rows() -> Iterator[tuple[str, Found]]:
    """The ratios of every case, as soon as they are measured."""
    cores = numba.get_num_threads()
    numba.set_num_threads(1)
    ramp = [float(k) for k in range(10)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = [
            Case("d=2", [0.0, 1.0], 1024, 2000, folder),
            Case("d=10", ramp, 1024, 1000, folder),
            Case("d=1000", np.linspace(0, 1, 1000).tolist(), 16, 1000, folder),
            Case("noise d=2", [0.0, 1.0], 1024, 1000, folder, noise=0.1),
        ]
        for case in cases:
            yield from compare(case)
    numba.set_num_threads(cores)
    for label, dynamics in (("safe", Dynamics()), ("with noise", Dynamics(noise=0.1))):
        seconds = million_steps(dynamics)
        print(f"1000 trajectories x 10^6 steps, d=2, {label}, {cores} cores: {seconds:.2f} s")


if __name__ == "__main__":
    show(rows())
