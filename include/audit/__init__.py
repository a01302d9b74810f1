"""What a model's record proves, to someone who trusts nobody.

Start at :mod:`include.audit.passport`; :mod:`include.audit.verifier` stands alone, and reads what that writes.
"""
