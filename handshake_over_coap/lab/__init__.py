"""The laboratory: scenarios, trials and sweeps on virtual time; published figures beside ours.

Nothing on a real network imports this room.
"""
