// Package deploytest tries what an operations team installs: the chart is linted, rendered and
// decoded strictly, its configurations are read by the program, its alerts are fired, and
// every metric that is asked for is one that a running service tells.
package deploytest
