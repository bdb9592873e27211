//! A GitHub on this machine: git over HTTP, the REST calls the observer uses, hooks with deliveries.
