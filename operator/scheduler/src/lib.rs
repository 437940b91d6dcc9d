//! The bandwidth scheduler: model, estimator, solver, policies and simulator.
