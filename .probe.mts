import { GuestLogReader } from '/work/main/src/collect/libvirt/guest-log.js';
import { VirshEventReader } from '/work/main/src/collect/libvirt/virsh-event.js';
import { MonitorEventReader } from '/work/main/src/collect/libvirt/monitor-event.js';
import { DaemonLogReader } from '/work/main/src/collect/libvirt/daemon-log.js';
import { snapshotParserFor } from '/work/main/src/collect/host/files.js';
import { encodeEvent } from '/work/main/src/events/codec.js';
const O={cluster:'l',host:'h',boot:null,file:'/x/f'};
function tally(){const t:any={events:0,rej:{},foreign:0,enc:{}};return t}
function sink(t:any){return {event(e:any){t.events++;try{encodeEvent(e)}catch(x:any){t.enc[x.message.slice(0,100)]=(t.enc[x.message.slice(0,100)]??0)+1}},rejected(r:any){t.rej[r.reason]=(t.rej[r.reason]??0)+1},foreign(l:number){t.foreign+=l}}}
function run(name:string, mk:any, text:string){const t=tally();const s=performance.now();try{const r=mk(O,sink(t));r.write(Buffer.from(text));r.end()}catch(e:any){console.log(name,'THROW',e.stack?.slice(0,300))}console.log(name,(performance.now()-s).toFixed(0)+'ms',JSON.stringify(t).slice(0,300))}
function snap(name:string,file:string,b:Buffer|string){const s=performance.now();let r='';try{const ev=snapshotParserFor(file)!(Buffer.from(b as any),{...O,file:'/x/'+file},1e15);r=ev.map(e=>{try{encodeEvent(e);return e.kind}catch(x:any){return 'ENC '+x.message.slice(0,100)}}).slice(0,5).join()}catch(e:any){r=(e.code?'':'THROW ')+e.message.slice(0,150)}console.log(name,(performance.now()-s).toFixed(0)+'ms',r.slice(0,200), Math.round(process.memoryUsage().rss/1e6)+'MB')}
const G=(o:any,s:any)=>new GuestLogReader(o,s,'vm'), V=(o:any,s:any)=>new VirshEventReader(o,s), M=(o:any,s:any)=>new MonitorEventReader(o,s), D=(o:any,s:any)=>new DaemonLogReader(o,s);
const TS='2026-11-23 01:11:47.627+0000: ';
const which=process.argv[2]??'';
const P:Record<string,()=>void>={
 lock:()=>run('lock',G,TS+'x\nqemu: '+'Failed to get "'.repeat(4000)+'\n'),
 says:()=>run('says',G,'qemu'.repeat(16000)+'\n'),
 ioerr:()=>run('ioerr small',G,TS+"IO error device='"+"' node-name='".repeat(200)+"' reason='".repeat(200)+'x\n'),
 ioerr2:()=>run('ioerr 1k',G,TS+"IO error device='"+"' node-name='".repeat(600)+"' reason='".repeat(600)+'x\n'),
 year:()=>{run('year',V,"9999-11-23 01:11:47.627+0000: event 'lifecycle' for domain 'a': Stopped Failed\n");run('year0',V,"0000-01-01 01:11:47.627+0000: event 'lifecycle' for domain 'a': Stopped Failed\n");run('mon',M,"event STOP at 99999999999.000000 for domain 'a': <null>\nevent STOP at 8999999999.000000 for domain 'a': <null>\n")},
 mdeep:()=>run('mdeep',M,TS+`event X for domain 'a': {"a":${'['.repeat(60000)}\n`),
 mcand:()=>run('mcand',M,(TS+`event X for domain 'a': `+`{"a":"': {"b":1`.repeat(4000)+'\n').repeat(20)),
 mproto:()=>run('mproto',M,TS+`event BLOCK_IO_ERROR for domain 'a': {"__proto__":{"device":"x"},"device":"\\ud800","reason":"\\udc80"}\n`),
 vio:()=>run('vio',V,TS+"event 'io-error' for domain 'a': "+'/ ('.repeat(20000)+'\n'),
 vthr:()=>run('vthr',V,TS+"event 'block-threshold' for domain 'a': dev: "+'1 '.repeat(30000)+'x\n'),
 vcont:()=>run('vcont',V,(TS+"event 'tunable' for domain 'a':\n"+'\tx\n'.repeat(300)).repeat(1000)),
 vcont2:()=>run('vcont2',V,(TS+"event 'io-error' for domain 'a': /x\n"+('y (none '.repeat(30)+'\n').repeat(255)).repeat(100)),
 dsec:()=>run('dsec',D,TS+"1: info : f:1 : Setting SELinux context on '"+"' to '".repeat(10000)+'\n'+TS+"1: info : f:1 : Setting DAC user and group on '"+"' to '1".repeat(8000)+'\n'+TS+"1: info : f:1 : unable to set security context '' on '"+"' (errno 1".repeat(6000)+'\n'+TS+"1: info : f:1 : Setting user and group to '0:0' on '"+"' not supported by".repeat(3000)+'\n'),
 djour:()=>run('djour',D,'2026-11-23T01:11:47+00:00 '+'a '.repeat(30000)+'\n'+'2026-11-23T'+'1:'.repeat(30000)+'\n'+'Nov 23 01:11:47 h '+'a['.repeat(30000)+'\n'),
 images:()=>{const nodes=Array.from({length:255},(_,i)=>`-blockdev {"node-name":"n${i}","driver":"qcow2","file":{"driver":"file","filename":"/a"},"backing":"n${i+1}"}`).join(' \\\n');const roots=Array.from({length:15000},()=>`-blockdev {"backing":"n0"}`).join(' ');
  run('images',G,TS+'starting up\nqemu \\\n'+nodes.replaceAll('"','\\"')+' \\\n'+roots.replaceAll('"','\\"').replace(/(.{50000}) /g,'$1 \\\n')+'\n');console.log(process.memoryUsage().rss/1e6)},
 exports:()=>snap('exports','exports','/'+'a'.repeat(1<<20)+' x'.repeat(100000)+'\n'),
 lost:()=>snap('lost','auditctl-s','enabled 1\nfailure 1\nlost '+'9'.repeat(400)+'\nbacklog_limit 99999999999999999999\nrate_limit 0\n'),
 attr:()=>snap('attr','domain-x.xml',`<domain a='${'x'.repeat(7<<20)}'><name>a</name></domain>`),
 attr2:()=>snap('attr2','domain-x.xml',`<domain ${Array.from({length:300000},(_,i)=>`a${i}='1'`).join(' ')}><name>a</name></domain>`),
 attr3:()=>snap('attr3','domain-x.xml',`<domain ${'a '.repeat(3000000)}><name>a</name></domain>`),
 attr4:()=>snap('attr4','domain-x.xml',`<domain a='${"b=\"".repeat(500000)}><name>a</name></domain>`),
 attr5:()=>snap('attr5','domain-x.xml',`<domain ${' '.repeat(2000000)}><name>a</name></domain>`),
 attr6:()=>snap('attr6','domain-x.xml',`<domain a${' '.repeat(100000)}b><name>a</name></domain>`),
 deep:()=>snap('deep','domain-x.xml','<domain>'+'<a>'.repeat(1000000)+'</a>'.repeat(1000000)+'</domain>'),
 deep2:()=>snap('deep2','domain-x.xml','<domain>'+'<a>'.repeat(500)+'</a>'.repeat(500)+'</domain>'),
 open:()=>snap('open','domain-x.xml','<domain>'+'<a>'.repeat(2000000)),
 lts:()=>snap('lts','domain-x.xml','<domain>'+'<'.repeat(7000000)),
 amps:()=>snap('amps','domain-x.xml','<domain><name>'+'&amp;'.repeat(1500000)+'</name></domain>'),
 amps2:()=>snap('amps2','domain-x.xml','<domain><name>'+'&'.repeat(7500000)+'</name></domain>'),
 amps3:()=>snap('amps3','domain-x.xml','<domain><name>'+'&lt'.repeat(2500000)+'</name></domain>'),
 nument:()=>snap('nument','domain-x.xml','<domain><name>&#x110000;&#xD800;&#99999999999;&#x0;</name></domain>'),
 comm:()=>snap('comm','domain-x.xml','<domain>'+'<!--'.repeat(1500000)),
 comm2:()=>snap('comm2','domain-x.xml','<domain>'+'<!-- -->'.repeat(900000)+'</domain>'),
 cdata:()=>snap('cdata','domain-x.xml','<domain>'+'<![CDATA['.repeat(800000)),
 cdata2:()=>snap('cdata2','domain-x.xml','<domain><name>'+'<![CDATA[]]>'.repeat(600000)+'</name></domain>'),
 pi:()=>snap('pi','domain-x.xml','<domain>'+'<?a ?>'.repeat(1000000)+'</domain>'),
 pi2:()=>snap('pi2','domain-x.xml','<domain>'+'<?'.repeat(3000000)),
 meta:()=>snap('meta','domain-x.xml','<domain><metadata>'+'<metadata>'.repeat(700000)),
 meta2:()=>snap('meta2','domain-x.xml','<domain>'+'<metadata><a/></metadata>'.repeat(300000)+'</domain>'),
 meta3:()=>snap('meta3','domain-x.xml','<domain><metadata>'+'<a'.repeat(3000000)+'</metadata></domain>'),
 proto:()=>snap('proto','domain-x.xml',"<domain __proto__='a' constructor='b'><__proto__><a/></__proto__><constructor/><hasOwnProperty/><toString>x</toString><name>a</name></domain>"),
 doct:()=>snap('doct','domain-x.xml',"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><domain/>"),
 u16:()=>snap('u16','domain-x.xml',Buffer.from("\ufeff<!DOCTYPE a [<!ENTITY b 'c'>]><domain/>",'utf16le')),
 disks:()=>snap('disks','domain-x.xml','<domain><devices>'+'<disk><source/></disk>'.repeat(300000)+'</devices></domain>'),
 uuid:()=>snap('uuid','domain-x.xml','<domain><uuid>'+'A'.repeat(7<<20)+'</uuid></domain>'),
 label:()=>snap('label','domain-x.xml','<domain>'+'<seclabel><label>a</label></seclabel>'.repeat(200000)+'</domain>'),
 mi:()=>{snap('mi','mountinfo','61 28 0:45 / /mnt rw - nfs a rw\n'.repeat(200000));snap('mi2','mountinfo','61 28 0:45 / /mnt '+'a,'.repeat(3000000)+' - nfs a rw\n');snap('mi3','mountinfo','x\n'.repeat(4000000))},
 qc:()=>{snap('qc','qemu.conf','user = [ 1, '.repeat(500000));snap('qc2','qemu.conf','a = """\n'.repeat(900000));snap('qc3','qemu.conf','a = ["'.repeat(900000));snap('qc4','qemu.conf','a = [ """x""", \n'.repeat(400000)); snap('qc5','qemu.conf','a=[\n'+'1\n'.repeat(3000000));snap('qc6','qemu.conf','#'.repeat(8000000));snap('qc7','qemu.conf','\n#'.repeat(4000000));snap('qc8','qemu.conf',"a='x'"+' '.repeat(7000000)+'b')
  snap('qc9','qemu.conf','a = [#\n'.repeat(900000)); snap('qc10','qemu.conf',('a = [' + '#\n'.repeat(3)+' "b=[" ,').repeat(300000));snap('qc11','qemu.conf',`user = ${'9'.repeat(1000)}\n`)},
 cap:()=>snap('cap','capabilities.xml','<capabilities><host>'+'<secmodel><baselabel>a</baselabel></secmodel>'.repeat(150000)+'</host></capabilities>'),
 ids:()=>snap('ids','id-x','uid=1(a) gid=2(b) groups='+'3(c),'.repeat(1500000)+'4(d)\n'),
 pw:()=>snap('pw','passwd','a:x:1:1:a:b:c\n'.repeat(500000)),
 ds:()=>snap('ds','domstate-a','running ('+'a'.repeat(7<<20)+')\n'),
 rules:()=>snap('rules','auditctl-l','-a x\n'.repeat(1500000)),
 sb:()=>snap('sb','getsebool-a','a --> on\n'.repeat(800000)),
 vv:()=>snap('vv','virsh-version','A'.repeat(8000000)),
};
for(const k of which?[which]:Object.keys(P)) P[k]!();
