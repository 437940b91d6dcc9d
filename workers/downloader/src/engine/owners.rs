//! Who wrote which byte: an ordered map of spans to their last writer. Pure.

use std::collections::BTreeMap;

use crate::schedule::{SourceId, Span, SpanSet};

/// Disjoint spans, each with its writer; neighbours of one writer are joined.
#[derive(Debug, Clone, Default)]
pub(super) struct Owners {
    /// start -> (end, writer)
    spans: BTreeMap<u64, (u64, SourceId)>,
}

impl Owners {
    /// `id` wrote `span`, over whatever another wrote there.
    pub(super) fn set(&mut self, span: Span, id: SourceId) {
        self.clear(span);
        let (mut start, mut end) = (span.start(), span.end());
        if let Some((&before, &(at, owner))) = self.spans.range(..start).next_back()
            && (at, owner) == (start, id)
        {
            start = before;
        }
        if let Some(&(behind, owner)) = self.spans.get(&end)
            && owner == id
        {
            self.spans.remove(&end);
            end = behind;
        }
        self.spans.insert(start, (end, id));
    }

    /// Nobody's bytes lie in `span` any more.
    pub(super) fn clear(&mut self, span: Span) {
        while let Some((&start, &(end, id))) = self.spans.range(..span.end()).next_back() {
            if end <= span.start() {
                break;
            }
            self.spans.remove(&start);
            if end > span.end() {
                self.spans.insert(span.end(), (end, id));
            }
            if start < span.start() {
                self.spans.insert(start, (span.start(), id));
                break;
            }
        }
    }

    /// What lies in `within`, in order of offset.
    pub(super) fn within(&self, within: Span) -> Vec<(SourceId, Span)> {
        let first = self.spans.range(..=within.start()).next_back().map_or(within.start(), |(&start, _)| start);
        let spans = self.spans.range(first..within.end());
        spans.filter_map(|(&start, &(end, id))| Some((id, Span::new(start, end)?.overlap(within)?))).collect()
    }

    /// What `id` wrote.
    pub(super) fn of(&self, id: SourceId) -> SpanSet {
        self.iter().filter(|(owner, _)| *owner == id).map(|(_, span)| span).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SourceId, Span)> + '_ {
        self.spans.iter().filter_map(|(&start, &(end, id))| Some((id, Span::new(start, end)?)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn owners_agree_with_a_list_of_bytes(writes in prop::collection::vec((0_u64..40, 1_u64..20, 0_u32..4), 0..30)) {
            let mut owners = Owners::default();
            let mut bytes = vec![None; 64];
            for (start, length, id) in writes {
                let span = Span::new(start, start + length).unwrap();
                // Writer 3 is nobody.
                let id = (id < 3).then_some(SourceId(id));
                bytes[start as usize..(start + length) as usize].fill(id);
                match id {
                    Some(id) => owners.set(span, id),
                    None => owners.clear(span),
                }
            }
            let mut shown = vec![None; 64];
            for (id, span) in owners.within(Span::new(0, 64).unwrap()) {
                shown[span.start() as usize..span.end() as usize].fill(Some(id));
            }
            prop_assert_eq!(&shown, &bytes);
            let joined = bytes.chunk_by(|a, b| a == b).filter(|run| run[0].is_some()).count();
            prop_assert_eq!(owners.iter().count(), joined);
        }
    }
}
