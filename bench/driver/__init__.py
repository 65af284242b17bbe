"""The driver of ../run. `sections` measure, each a topic; the rest is what they need: `build` and `peers` make the programs,
`namespace` keeps all of it off the network, `service` runs `imds fake`, `timing` runs commands in turn, `results` writes."""
