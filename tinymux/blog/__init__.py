"""The blog: posts to pages to images to tinies, and a web server that knows who has what.

posts, settings, markdown, pages, compress: a folder becomes pages. packing, placement, record: pages get tinies.
publisher, service, plain, control, preview: they are flashed and served.
"""
