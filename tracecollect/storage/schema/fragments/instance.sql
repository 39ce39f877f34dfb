-- Which process sent this, said by its resource: storage/rows.py says the same in Python.
if(ResourceAttributes['service.instance.id'] != '', ResourceAttributes['service.instance.id'],
   if(ResourceAttributes['host.name'] != '' OR ResourceAttributes['process.pid'] != '',
      concat(ResourceAttributes['host.name'], ':', ResourceAttributes['process.pid']), ''))
