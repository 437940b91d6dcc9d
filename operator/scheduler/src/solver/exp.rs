//! `exp` on a few lanes at once, in plain arithmetic that the compiler turns into vector
//! instructions.
//!
//! No fused multiply-add and no table: the same bits on every machine, whatever its vector width.

/// Numbers handled at once: one cache line of `f64`.
pub(crate) const LANES: usize = 8;

/// Arguments outside this range give its ends: `exp` stays normal and finite.
const RANGE: (f64, f64) = (-708.0, 709.0);

/// 1.5 x 2^52: adding it leaves the nearest whole number in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;

const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// 1/k! for k = 2 to 13; the remainder is below 5e-18 for |r| <= ln(2)/2.
const TERMS: [f64; 12] = [
    0.5,
    1.666_666_666_666_666_6e-1,
    4.166_666_666_666_666_4e-2,
    8.333_333_333_333_333e-3,
    1.388_888_888_888_889e-3,
    1.984_126_984_126_984e-4,
    2.480_158_730_158_73e-5,
    2.755_731_922_398_589_3e-6,
    2.755_731_922_398_589e-7,
    2.505_210_838_544_172e-8,
    2.087_675_698_786_81e-9,
    1.605_904_383_682_161_3e-10,
];

/// `exp` of each lane, within 2 ulp.
#[inline(always)]
pub(crate) fn exp(x: &[f64; LANES]) -> [f64; LANES] {
    let mut shifted = [0.0; LANES];
    let mut r = [0.0; LANES];
    let mut sum = [0.0; LANES];
    let mut out = [0.0; LANES];
    for lane in 0..LANES {
        let x = if x[lane] > RANGE.0 { x[lane] } else { RANGE.0 };
        let x = if x < RANGE.1 { x } else { RANGE.1 };
        shifted[lane] = x * std::f64::consts::LOG2_E + ROUND;
        let whole = shifted[lane] - ROUND;
        r[lane] = (x - whole * LN2_HIGH) - whole * LN2_LOW;
    }
    // Estrin's scheme: pairs, then pairs of pairs, so that the processor does not wait for one long chain.
    let t = &TERMS;
    for lane in 0..LANES {
        let r = r[lane];
        let r2 = r * r;
        let r4 = r2 * r2;
        let low = (t[0] + t[1] * r) + (t[2] + t[3] * r) * r2;
        let middle = (t[4] + t[5] * r) + (t[6] + t[7] * r) * r2;
        let high = (t[8] + t[9] * r) + (t[10] + t[11] * r) * r2;
        sum[lane] = low + (middle + high * r4) * r4;
    }
    for lane in 0..LANES {
        let mantissa = (sum[lane] * r[lane]) * r[lane] + r[lane] + 1.0;
        // The low bits of `shifted` hold the power of two; move it into the exponent field.
        let power = f64::from_bits(shifted[lane].to_bits().wrapping_add(1023) << 52);
        out[lane] = mantissa * power;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_standard_library_to_two_ulp() {
        for step in -70_000..=70_000 {
            let x = f64::from(step) * 0.01 + 0.003_7;
            let ours = exp(&[x; LANES])[3];
            assert!((ours - x.exp()).abs() <= 2.0 * f64::EPSILON * x.exp(), "{x}: {ours} {}", x.exp());
        }
    }

    #[test]
    fn out_of_range_stays_normal_and_finite() {
        for x in [f64::NEG_INFINITY, -1e9, 1e9, f64::INFINITY] {
            let y = exp(&[x; LANES])[0];
            assert!(y.is_normal() && y > 0.0, "{x}: {y}");
        }
    }
}
