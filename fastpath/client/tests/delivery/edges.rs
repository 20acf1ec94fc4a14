//! placeholder for edges
