"""The two forms of the example."""

from __future__ import annotations

from django import forms

from .models import Note


class NoteForm(forms.ModelForm):
    """A new line for the guest book."""

    class Meta:
        model = Note
        fields = ("author", "text")
        widgets = {"text": forms.Textarea(attrs={"rows": 3})}  # noqa: RUF012, as Django reads it


class UploadForm(forms.Form):
    """One file of any kind; headwaiter's ``max_request_body_size`` bounds its size."""

    file = forms.FileField(max_length=255)
