//! A third party's plugin: stamps answers and counts them.
