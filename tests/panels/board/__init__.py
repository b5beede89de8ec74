"""Tests of redisnb.panels.board."""
