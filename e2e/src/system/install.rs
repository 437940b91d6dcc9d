//! Installing the chart and finding the edge.
