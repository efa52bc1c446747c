"""What a visitor may ask for."""

from __future__ import annotations

from django import forms


class JobForm(forms.Form):
    """A new job."""

    limit = forms.IntegerField(
        label="Count the primes below", min_value=1, max_value=100_000_000, initial=2_000_000
    )
