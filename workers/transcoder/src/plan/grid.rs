//! The grid in time on which keyframes, segments and chunks lie. One rule for all three: the first frame of each cell.
//!
//! Cells are counted from the first frame of the whole source, so that keyframes and segments do not depend on how the source
//! is cut, and chunk borders are always segment borders.

/// Splits `ticks` (increasing) where a new cell of `cell` ticks begins, counted from `origin`. A cell's first frame must have an
/// index divisible by `stride` (a frame that slower renditions keep too). Answers the index of each first frame.
#[must_use]
pub fn starts(ticks: &[i64], origin: i64, cell: i64, stride: usize) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut current = None;
    for (index, tick) in ticks.iter().enumerate().step_by(stride.max(1)) {
        let now = (tick - origin).div_euclid(cell.max(1));
        if current.is_none_or(|before| now > before) {
            current = Some(now);
            starts.push(index);
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_gap_skips_cells_and_makes_no_empty_one() {
        assert_eq!(starts(&[0, 10, 20, 30, 100, 110], 0, 20, 1), [0, 2, 4]);
        // Off-grid first frames, and a stride that pushes the start to the next kept frame.
        assert_eq!(starts(&[3, 10, 19, 24, 30], 3, 20, 1), [0, 3]);
        assert_eq!(starts(&[3, 10, 19, 24, 30], 3, 20, 2), [0, 4]);
    }

    proptest! {
        #[test]
        fn coarse_starts_are_fine_starts(steps in proptest::collection::vec(1i64..100, 1..200), n in 1i64..6, stride in 1usize..4) {
            let ticks: Vec<i64> = steps.iter().scan(-50, |tick, step| { *tick += step; Some(*tick) }).collect();
            let fine = starts(&ticks, ticks[0], 60, stride);
            let coarse = starts(&ticks, ticks[0], 60 * n, stride);
            prop_assert!(coarse.iter().all(|index| fine.contains(index)));
            prop_assert_eq!(fine.first(), Some(&0));
        }
    }
}
