"""Families of generative models behind one seam (`base`)."""
