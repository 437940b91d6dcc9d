//! The custom resources of videocloud.dev/v1alpha1 and their generator.
