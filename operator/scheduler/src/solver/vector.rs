//! The widest vector instructions this machine has, for the two loops that need them.
//!
//! A loop is compiled several times, for wider and wider registers; which one runs is asked of the
//! processor. All do the same operations in the same order on [`super::exp::LANES`] lanes, so the result does
//! not depend on the choice.

/// A loop that is worth compiling for several instruction sets; `run` must be `inline(always)`.
pub(crate) trait Kernel {
    /// What the loop yields.
    type Output;
    /// The loop.
    fn run(self) -> Self::Output;
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Kernel;

    #[target_feature(enable = "avx2")]
    pub(super) fn avx2<K: Kernel>(kernel: K) -> K::Output {
        kernel.run()
    }

    #[target_feature(enable = "avx2,avx512f,avx512dq,avx512vl")]
    pub(super) fn avx512<K: Kernel>(kernel: K) -> K::Output {
        kernel.run()
    }
}

/// Runs the loop on the widest registers there are.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    use std::arch::is_x86_feature_detected as has;
    if has!("avx512f") && has!("avx512dq") && has!("avx512vl") && has!("avx2") {
        // SAFETY: the function is safe but for the instructions it is compiled to, and the
        // processor was just found to have all four sets.
        unsafe { x86::avx512(kernel) }
    } else if has!("avx2") {
        // SAFETY: as above, with AVX2 alone.
        unsafe { x86::avx2(kernel) }
    } else {
        kernel.run()
    }
}

/// Runs the loop on the registers every machine of this architecture has.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}
