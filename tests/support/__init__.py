"""What several tests share: a relay that misbehaves, and the policy for programs of others."""
