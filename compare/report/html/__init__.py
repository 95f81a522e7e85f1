"""Pages as data, and what turns them into HTML.

page           cards, figures, sections, and the one template
theme          colours for light and dark
captions       what is said about each figure
toy_captions   the same for toys
output         pages and figures as files
"""
