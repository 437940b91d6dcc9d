//! A set that nearly always has one member: a tree would cost ten times the member.

use std::collections::{BTreeSet, btree_set};

/// One or more of `T`, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Group<T> {
    /// One.
    One(T),
    /// Several, or what is left of several.
    Many(BTreeSet<T>),
}

impl<T: Ord> Group<T> {
    /// Adds a member.
    pub(super) fn insert(&mut self, member: T) {
        match self {
            Self::One(only) if *only == member => {}
            Self::Many(members) => {
                members.insert(member);
            }
            Self::One(_) => {
                if let Self::One(only) = std::mem::replace(self, Self::Many(BTreeSet::new()))
                    && let Self::Many(members) = self
                {
                    members.extend([only, member]);
                }
            }
        }
    }

    /// Takes a member away; says whether nobody is left.
    pub(super) fn remove(&mut self, member: &T) -> bool {
        match self {
            Self::One(only) => only == member,
            Self::Many(members) => {
                members.remove(member);
                members.is_empty()
            }
        }
    }

    /// Members in order.
    pub(super) fn iter(&self) -> Members<'_, T> {
        match self {
            Self::One(only) => Members::One(Some(only)),
            Self::Many(members) => Members::Many(members.iter()),
        }
    }
}

/// The members of a [`Group`] in order.
#[derive(Debug, Clone)]
pub(super) enum Members<'a, T> {
    One(Option<&'a T>),
    Many(btree_set::Iter<'a, T>),
}

impl<'a, T> Iterator for Members<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        match self {
            Self::One(only) => only.take(),
            Self::Many(members) => members.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_come_in_order_and_the_last_one_to_go_says_so() {
        let mut group = Group::One(2);
        group.insert(2);
        assert_eq!(group, Group::One(2));
        assert!(!group.remove(&1));
        for member in [3, 1, 2] {
            group.insert(member);
        }
        assert_eq!(group.iter().copied().collect::<Vec<_>>(), [1, 2, 3]);
        assert!(!group.remove(&2) && !group.remove(&1) && group.remove(&3));
    }

    #[test]
    fn the_only_member_leaves_nobody() {
        assert!(Group::One(1).remove(&1));
    }
}
