//! End-to-end, fault, interoperability and scale tests.
