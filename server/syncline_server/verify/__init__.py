"""`syncline verify`: a workload through a network that fails, and a judgement of what was seen.

plan       which fault hits which client when, from a seed
proxy      the network that fails: one link for each client
client, application    simulated clients, who write and who see
workload   what is written, and documents that come and go
run        all of these together; what happens becomes a history
records, history       everything that was done, seen or inflicted
evidence, checks       history in, findings out; pure
sightings, figures     how long it took until each subscriber saw each write
report, timeline       the verdict for people
"""
