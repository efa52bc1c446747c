"""What the example stores: short notes, and files with the names they came with."""

from __future__ import annotations

from django.db import models


class Note(models.Model):
    """A line somebody left in the guest book."""

    author = models.CharField(max_length=80)
    text = models.TextField(max_length=2000)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created", "-pk")

    def __str__(self) -> str:
        return f"{self.author}: {self.text[:40]}"


class Upload(models.Model):
    """An uploaded file. Its name on disk is Django's choice; ``name`` is the sender's."""

    file = models.FileField(upload_to="files/")
    name = models.CharField(max_length=255)
    size = models.BigIntegerField()
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created", "-pk")

    def __str__(self) -> str:
        return str(self.name)
