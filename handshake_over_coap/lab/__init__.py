"""The laboratory: published figures, and ours beside them.

Nothing on a real network imports this room.
"""
