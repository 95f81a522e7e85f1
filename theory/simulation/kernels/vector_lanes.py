r"""Numba helpers that every generated kernel carries a copy of: random numbers, exp, exponents.

A kernel works on blocks of 64 trajectories, its *lanes*, and its innermost loops run over them, so
that they become vector instructions. This file is copied as text in front of every generated kernel
(``theory.simulation.code_generation.kernel_source``): Numba's cache does not notice when a function
in another file changes.

Every trajectory owns a xoshiro256+ generator, seeded through splitmix64 by its seed alone, so its
noise depends neither on its neighbours nor on threads.

Sources: Blackman & Vigna 2021 (xoshiro256+, splitmix64); Box & Muller 1958. The polynomials are
minimax fits, good to 1e-9, which no statistic of the noise can see.
"""

import math

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

LANES = 64
RENORMALISE = 16
# Everything that lets loops vectorise but keeps NaN and infinity meaningful.
FAST = {"contract", "nsz", "arcp", "reassoc"}
# Inlined by force: a helper with a symbol of its own is compiled twice, alone and inside the
# kernel, and which of the two runs depends on whether the kernel came from the cache.
fast = njit(error_model="numpy", fastmath=FAST, forceinline=True)
ensemble = njit(error_model="numpy", fastmath=FAST, nogil=True, cache=True)


@intrinsic
def bits_of(typing_context, value):
    """The 64 bits of a float64 as an int64."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def float_of(typing_context, bits):
    """The float64 that has these 64 bits."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


@intrinsic
def use_whole_vectors(typing_context):
    """Let LLVM fill the widest vectors that the processor has, in the function that calls this.

    It keeps to half of AVX-512 on Intel processors, where code of other kinds would slow down.
    """

    def generate(context, builder, signature, arguments):
        # llvmlite knows no attributes of the form "key"="value", but hands them on
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), generate


@fast
def word_of(value):
    """The 64 bits of a float64 as a uint64."""
    return np.uint64(bits_of(value))


@fast
def aligned(count):
    """An empty float64 array that starts on a multiple of 512 bytes, one row of lanes.

    Vectors then do not straddle cache lines, and loads of one array never share their low 12
    address bits with the pending stores to another, which would stall them.
    """
    raw = np.empty(count + LANES)
    skip = (512 - raw.ctypes.data % 512) % 512 // 8
    return raw[skip : skip + count]


@fast
def exp(x):
    """``e^x`` to 2e-15 by ``2^k`` times a Taylor polynomial, in vector instructions."""
    x = min(max(x, -708.0), 709.0) if x == x else x
    k = np.floor(x * 1.4426950408889634 + 0.5)
    r = (x - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10
    p = 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * float_of((np.int64(k) + 1023) << 52)


@fast
def seed_generators(seeds, first, block, state):
    """Fill the four words of each lane's xoshiro256+ with successive splitmix64 outputs."""
    use_whole_vectors()
    for i in range(LANES):
        z = np.uint64(seeds[first + i])
        for k in range(4):
            z += np.uint64(0x9E3779B97F4A7C15)
            y = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            y = (y ^ (y >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            block[state + k * LANES + i] = float_of(np.int64(y ^ (y >> np.uint64(31))))


@fast
def next_word(s0, s1, s2, s3):
    """One output of xoshiro256+ and its next state."""
    word = s0 + s3
    t = s1 << np.uint64(17)
    s2 ^= s0
    s3 ^= s1
    s1 ^= s2
    s0 ^= s3
    s2 ^= t
    s3 = (s3 << np.uint64(45)) | (s3 >> np.uint64(19))
    return word, s0, s1, s2, s3


@fast
def from_one_to_two(word):
    """A float64 in [1, 2) made of the upper 52 bits of a word."""
    return float_of(np.int64((word >> np.uint64(12)) | np.uint64(0x3FF0000000000000)))


@fast
def log(u):
    """``ln(u)`` of a normal positive float64, absolute error 1e-9: fit for drawing normals.

    Odd and even terms side by side: one chain of additions would be waited for.
    """
    offset = bits_of(u) - 0x3FE6A09E667F3BCD
    k = offset >> 52
    f = float_of(bits_of(u) - (k << 52)) - 1.0
    z = f * f
    p = 0.06572327158522023
    q = -0.11620648400270368
    p = p * z + 0.11945878227356821
    q = q * z - 0.12420821262732773
    p = p * z + 0.1421229125042129
    q = q * z - 0.16666555575670008
    p = p * z + 0.20002535640193383
    q = q * z - 0.2500006237443588
    p = p * z + 0.3333330266101698
    q = q * z - 0.49999999414017127
    p = p * z + 1.0000000006010195
    return np.float64(k) * 0.6931471805599453 + f * (p + q * f)


@fast
def half_turn(s):
    """``sin(pi s)`` and ``cos(pi s)`` for ``|s| <= 1/2``, to 2e-10."""
    z = s * s
    p = -0.007028303855203096
    p = p * z + 0.08205035020147247
    p = p * z - 0.599252186531583
    p = p * z + 2.550163317938427
    p = p * z - 5.167712764593
    p = p * z + 3.141592653536132
    q = -0.024395932097550446
    q = q * z + 0.2349370685950865
    q = q * z - 1.3352119493905503
    q = q * z + 4.058709154763134
    q = q * z - 4.934802136928946
    q = q * z + 0.999999999779154
    return s * p, q


@fast
def normal_pair(variance, s0, s1, s2, s3):
    """Two normals of a variance from a generator's state, and its next state.

    ``sqrt(-2 variance ln u) (sin, cos)(2 pi v)``, with the double angle taken from half a turn.
    The root is the processor's: a unit of its own takes it while others multiply.
    """
    first, s0, s1, s2, s3 = next_word(s0, s1, s2, s3)
    second, s0, s1, s2, s3 = next_word(s0, s1, s2, s3)
    radius = math.sqrt(max(-2.0 * log(2.0 - from_one_to_two(first)), 0.0) * variance)
    sine, cosine = half_turn(from_one_to_two(second) - 1.5)
    return radius * (2.0 * sine * cosine), radius * (1.0 - 2.0 * sine * sine), s0, s1, s2, s3


@fast
def squared_power(exponent):
    """``4^exponent``, the factor that turns a mantissa's square into that of the coordinate.

    0 below ``4^-440``: such a coordinate adds nothing to a sum with the largest one as long as the
    norm is above 1e-111, and products that leave the range of float64 would take the processor
    a hundred times as long.
    """
    biased = min(1023 + 2 * exponent, 2046)
    return float_of((biased if biased >= 143 else 0) << 52)


@fast
def split(value, exponent):
    """A mantissa in [1, 2) and its exponent, of ``value 2^exponent``; 0 and NaN stay."""
    bits = bits_of(value)
    biased = (bits >> 52) & 0x7FF
    shift = biased - 1023 if 0 < biased < 2047 else 0
    return float_of(bits - (shift << 52)), exponent + shift


@fast
def scaled(mantissa, exponent):
    """``mantissa 2^exponent`` as one float64, 0 where that is below its range."""
    mantissa, exponent = split(mantissa, exponent)
    return mantissa * float_of(min(max(1023 + exponent, 0), 2046) << 52)


@fast
def squared(mantissa, exponent):
    """The square of ``mantissa 2^exponent`` as one float64, 0 where that is below its range."""
    mantissa, exponent = split(mantissa, exponent)
    return mantissa * mantissa * float_of(min(max(1023 + 2 * exponent, 0), 2046) << 52)


@fast
def distance_from_one(value):
    """Bits of which those from 59 on are 0 where ``2^-48 <= |value| < 2^16``."""
    return (bits_of(value) << 1) - (975 << 53)


@fast
def renormalise(mantissa, exponent, square):
    """Split all mantissas again, once one of them is far from 1.

    When that happens changes no bit of the results: powers of 2 multiply without rounding.

    Args:
        mantissa: (n,).
        exponent: (n,), int64 in the bits of float64.
        square: (n,), receives ``4^exponent``.
    """
    use_whole_vectors()
    far = 0
    for i in range(mantissa.shape[0]):
        far |= distance_from_one(mantissa[i])
    if far >> 59 == 0:
        return
    for i in range(mantissa.shape[0]):
        mantissa[i], power = split(mantissa[i], bits_of(exponent[i]))
        exponent[i] = float_of(power)
        square[i] = squared_power(power)


@fast
def renormalise_pair(mantissa, exponent, square, velocity):
    """Split a coordinate and its momentum buffer, which share one exponent."""
    use_whole_vectors()
    for i in range(mantissa.shape[0]):
        biased = (bits_of(mantissa[i]) >> 52) & 0x7FF
        shift = min(max(biased - 1023, -1000), 1000) if 0 < biased < 2047 else 0
        scale = float_of((1023 - shift) << 52)
        mantissa[i] *= scale
        velocity[i] *= scale
        power = bits_of(exponent[i]) + shift
        exponent[i] = float_of(power)
        square[i] = squared_power(power)
